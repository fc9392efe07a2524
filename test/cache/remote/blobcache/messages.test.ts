/** Our reading and writing of messages against that of protobufjs, which knows them from a .proto file. */
import { fileURLToPath } from 'node:url';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CONTENT_MARGIN_BYTES,
  contentMessage,
  GET_AVAILABLE_HOSTS,
  GET_CONTENT,
  HAS_CONTENT,
  MAX_HOSTS,
  STORE_CONTENT,
} from '../../../../src/lib/cache/remote/blobcache/messages.ts';
import { fieldsOf } from '../../../../src/lib/cache/remote/blobcache/protobuf.ts';

const PROTO = fileURLToPath(new URL('../../../servers/blobcache.proto', import.meta.url));
const service = loadSync(PROTO, { keepCase: true, longs: Number, defaults: true })['blobcache.BlobCache'] as unknown as Record<
  string,
  MethodDefinition<object, object>
>;
const theirs = (name: string): MethodDefinition<object, object> => service[name]!;

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const count = fc.oneof(fc.nat({ max: 300 }), fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }));

describe('what we write', () => {
  it('is read by protobufjs as it was meant: a request for content', () => {
    fc.assert(
      fc.property(fc.record({ hash: text, offset: count, length: count }), (request) => {
        expect(theirs('GetContent').requestDeserialize(GET_CONTENT.encode(request))).toEqual(request);
      }),
    );
  });

  it('is read by protobufjs as it was meant: questions', () => {
    fc.assert(
      fc.property(text, (word) => {
        expect(theirs('HasContent').requestDeserialize(HAS_CONTENT.encode({ hash: word }))).toEqual({ hash: word });
        const asked = GET_AVAILABLE_HOSTS.encode({ locality: word });
        expect(theirs('GetAvailableHosts').requestDeserialize(asked)).toEqual({ locality: word });
      }),
    );
  });

  it.each([1, 127, 128, 16_383, 16_384, 300_000])('is read by protobufjs as it was meant: content of %i bytes', (length) => {
    const memory = Buffer.alloc(CONTENT_MARGIN_BYTES + length + 10, 7);
    const message = STORE_CONTENT.encode(contentMessage(memory, length));
    const { content } = theirs('StoreContent').requestDeserialize(message) as { readonly content: Buffer };
    expect(content.equals(Buffer.alloc(length, 7))).toBe(true);
  });
});

describe('what protobufjs writes', () => {
  it('is read as it was meant: content', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.uint8Array({ maxLength: 300 }), (ok, bytes) => {
        const content = Buffer.from(bytes);
        expect(GET_CONTENT.decode(theirs('GetContent').responseSerialize({ ok, content }))).toEqual({ ok, content });
      }),
    );
  });

  it('is read as it was meant: answers', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.boolean(), text, (ok, exists, hash) => {
        expect(HAS_CONTENT.decode(theirs('HasContent').responseSerialize({ ok, exists }))).toEqual({ exists });
        expect(STORE_CONTENT.decode(theirs('StoreContent').responseSerialize({ ok, hash }))).toEqual({ hash });
      }),
    );
  });

  it('is read as it was meant: hosts, the first 64 of them', () => {
    const host = fc.record({ host_id: text, addr: text, private_ip_addr: text, capacity_usage_pct: fc.float({ noNaN: true }) });
    fc.assert(
      fc.property(fc.array(host, { maxLength: 80 }), (hosts) => {
        const read = GET_AVAILABLE_HOSTS.decode(theirs('GetAvailableHosts').responseSerialize({ ok: true, hosts }));
        const expected = hosts
          .slice(0, MAX_HOSTS)
          .map(({ host_id, addr, private_ip_addr }) => ({ id: host_id, address: addr, privateAddress: private_ip_addr }));
        expect(read.hosts).toEqual(expected);
      }),
    );
  });
});

describe('row 31: bytes that are no message', () => {
  it('give fields or an error, never bytes from elsewhere, and come to an end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        const message = Buffer.from(bytes);
        try {
          let seenBytes = 0;
          for (const { value } of fieldsOf(message)) seenBytes += value instanceof Buffer ? value.length : 0;
          expect(seenBytes).toBeLessThanOrEqual(message.length);
        } catch (error) {
          expect((error as Error).message).toMatch(/^(a|no) (field|number)/);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['a field of 2^63 bytes', [0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 1]],
    ['a field of 4 GiB', [0x12, 0x80, 0x80, 0x80, 0x80, 0x10, 1]],
    ['a number of eleven bytes', [0x08, ...Array.from({ length: 11 }, () => 0x80)]],
    ['a number that is cut', [0x08, 0x80]],
    ['a group', [0x0b, 0x08, 0x01, 0x0c]],
    ['field 0', [0x02, 0x01, 0x00]],
    ['a number of fixed width that is cut', [0x25, 0x00]],
  ])('with %s are an error', (_what, bytes) => {
    expect(() => [...fieldsOf(Buffer.from(bytes))]).toThrow();
  });
});
