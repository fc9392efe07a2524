/** Go's compress/gzip: what it writes we read, from every checkpoint too; what it refuses behind and in headers, we refuse. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createGunzip } from '../../../src/lib/compression/gzip/kernel-gunzip.ts';
import { firstByteOf } from '../../../src/lib/compression/gzip/gunzip-stream.ts';
import { createKernelInflate } from '../../../src/lib/compression/gzip/kernel-inflate.ts';
import { ClipctlError } from '../../../src/lib/errors.ts';
import { decodeLayer } from '../../compression/decode-layer.ts';
import { mixedBytes } from '../../compression/gzip/content.ts';

const directory = mkdtempSync(join(tmpdir(), 'clipctl-go-gzip-'));
const program = join(directory, 'go-gzip');
const CONTENT = mixedBytes(2_000_000, 17);

beforeAll(() => {
  const env = { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off' };
  execFileSync('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go-gzip'), env });
});
afterAll(() => rmSync(directory, { recursive: true }));

function runGo(args: readonly string[], input: Uint8Array): Buffer {
  return execFileSync(program, [...args], { input, maxBuffer: 1 << 30 });
}

describe('a layer that Go wrote', () => {
  it.each([['-level=1'], ['-level=6'], ['-level=9'], ['-level=-2'], ['-level=0'], ['-flush=5000']])(
    'with %s decodes, from every checkpoint too',
    async (...args) => {
      const packed = runGo(args, CONTENT);
      const create = (options: Parameters<typeof createGunzip>[0]) =>
        createGunzip({ ...options, checkpointIntervalBytes: 150_000 });
      const { output, result } = await decodeLayer(packed, { create, pieceBytes: [60_000, 3] });
      expect(output.equals(CONTENT)).toBe(true);
      expect(result.checkpoints.length).toBeGreaterThan(5);
      for (const checkpoint of result.checkpoints) {
        const pieces: Buffer[] = [];
        const span = createKernelInflate({ checkpoint, onOutput: (bytes) => pieces.push(Buffer.from(bytes)) });
        span.write(packed.subarray(firstByteOf(checkpoint)));
        span.finish();
        span.close();
        expect(Buffer.concat(pieces).equals(CONTENT.subarray(checkpoint.uncompressedOffset))).toBe(true);
      }
    },
  );
});

const BODY = Buffer.from('content');

function member(flags: number, fields: Uint8Array = Buffer.alloc(0), method = 8): Buffer {
  const header = Buffer.concat([Buffer.from([0x1f, 0x8b, method, flags, 0, 0, 0, 0, 0, 255]), fields]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(BODY), 0);
  trailer.writeUInt32LE(BODY.length, 4);
  const headerCrc = Buffer.alloc(flags & 2);
  if (headerCrc.length > 0) headerCrc.writeUInt16LE(crc32(header) & 0xffff);
  return Buffer.concat([header, headerCrc, deflateRawSync(BODY), trailer]);
}

const STREAMS: Readonly<Record<string, Buffer>> = {
  plain: member(0),
  'with a header checksum': member(2),
  'with a name and a header checksum': member(2 | 8, Buffer.from('name\0')),
  'with a wrong header checksum': Buffer.concat([member(2).subarray(0, 10), Buffer.from([1, 2]), member(2).subarray(12)]),
  'with everything': member(0x1e, Buffer.from('\x03\0abcname\0comment\0', 'latin1')),
  'with an empty extra field': member(4, Buffer.from([0, 0])),
  'with a name of 511 bytes': member(8, Buffer.from(`${'n'.repeat(511)}\0`)),
  'with a name of 512 bytes': member(8, Buffer.from(`${'n'.repeat(512)}\0`)),
  'with a comment of 512 bytes': member(16, Buffer.from(`${'n'.repeat(512)}\0`)),
  'of another method': member(0, Buffer.alloc(0), 7),
  'with the text flag': member(1),
  'and an empty member': Buffer.concat([member(0), gzipSync('')]),
  'and a zero': Buffer.concat([member(0), Buffer.alloc(1)]),
  'and zeros': Buffer.concat([member(0), Buffer.alloc(512)]),
  'and a magic number': Buffer.concat([member(0), Buffer.from([0x1f, 0x8b])]),
  'and garbage': Buffer.concat([member(0), Buffer.from('garbage, long enough')]),
  'cut in its trailer': member(0).subarray(0, -3),
  'with a wrong length': Buffer.concat([member(0).subarray(0, -4), Buffer.from([1, 0, 0, 0])]),
  'with a wrong CRC': Buffer.concat([member(0).subarray(0, -8), Buffer.from([1, 0, 0, 0]), member(0).subarray(-4)]),
};

async function ourVerdict(stream: Buffer): Promise<string> {
  try {
    const { output } = await decodeLayer(stream, { create: createGunzip, pieceBytes: [1, 13] });
    return `ok ${output.length} ${crc32(output)}`;
  } catch (error) {
    if (error instanceof ClipctlError && error.code === 'LAYER_CORRUPT') return 'error';
    throw error;
  }
}

describe("Go's verdict is ours", () => {
  it('on members with odd headers, trailers and ends', async () => {
    const framed = Object.values(STREAMS).map((stream) => {
      const head = Buffer.alloc(4);
      head.writeUInt32LE(stream.length);
      return Buffer.concat([head, stream]);
    });
    const theirs = runGo(['-read'], Buffer.concat(framed)).toString().trimEnd().split('\n');
    const ours = await Promise.all(Object.values(STREAMS).map(ourVerdict));
    const named = (verdicts: readonly string[]): object =>
      Object.fromEntries(Object.keys(STREAMS).map((name, at) => [name, verdicts[at]]));
    expect(named(ours)).toEqual(named(theirs));
    expect(new Set(ours).size).toBe(2);
  });
});
