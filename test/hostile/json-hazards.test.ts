import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClipctlError } from '../../src/lib/errors.ts';
import { parseImageConfig } from '../../src/lib/oci/image-config.ts';
import { parseManifest } from '../../src/lib/oci/manifest.ts';
import { parseStrictJson, type JsonValue } from '../../src/lib/oci/strict-json.ts';

const OPTIONS = { what: 'test', code: 'MANIFEST_INVALID', maxBytes: 4 * 1024 * 1024 } as const;
const parse = (text: string) => parseStrictJson(Buffer.from(text), OPTIONS);
const HEX = 'a'.repeat(64);
const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** A manifest with `size` of the second layer written as given. */
function manifestWithSize(size: string): Buffer {
  const layer = (text: string) =>
    `{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:${HEX}","size":${text}}`;
  const config = `{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:${HEX}","size":2}`;
  return Buffer.from(`{"schemaVersion":2,"mediaType":"${MANIFEST}","config":${config},"layers":[${layer('1')},${layer(size)}]}`);
}

function errorOf(run: () => unknown): ClipctlError {
  try {
    run();
  } catch (error) {
    if (error instanceof ClipctlError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Maps back to plain objects, to compare with JSON.parse. */
function plain(value: JsonValue): unknown {
  if (value instanceof Map) {
    const object = Object.create(null) as Record<string, unknown>;
    for (const [key, inner] of value as ReadonlyMap<string, JsonValue>) object[key] = plain(inner);
    return object;
  }
  return Array.isArray(value) ? (value as readonly JsonValue[]).map(plain) : value;
}

describe('strict JSON', () => {
  test('means what JSON.parse means, for whatever JSON.stringify writes', () => {
    const safe = fc.jsonValue().filter((value) => !/[0-9]e\+|[0-9]{16}/.test(JSON.stringify(value)));
    fc.assert(
      fc.property(safe, fc.constantFrom(undefined, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(JSON.stringify(plain(parse(text)))).toBe(JSON.stringify(JSON.parse(text)));
      }),
    );
  });

  test('refuses whatever JSON.parse refuses, and throws nothing but ClipctlError', () => {
    const piece = fc.constantFrom(
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '\\',
      'a',
      '1',
      '-',
      '.',
      'e',
      'null',
      'true',
      ' ',
      '\n',
      '\\u0041',
      '\u0001',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = pieces.join('');
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        if (!isJson) expect(errorOf(() => parse(text)).code).toBe('MANIFEST_INVALID');
      }),
      { numRuns: 2000 },
    );
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('the key %s is a key like any other', (key) => {
    const value = parse(`{"${key}":{"polluted":true}}`);
    expect(value).toBeInstanceOf(Map);
    expect((value as ReadonlyMap<string, JsonValue>).get(key)).toBeInstanceOf(Map);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(Object.prototype)).toEqual([]);
  });

  test.each([
    ['{"a":{"b":1,"b":2}}', 'a.b'],
    ['{"layers":[],"layers":[]}', 'layers'],
    ['{"a":1,"\\u0061":2}', 'a'],
    ['{"__proto__":1,"__proto__":2}', '__proto__'],
  ])('a duplicate key in %s is refused at %s', (text, field) => {
    expect(errorOf(() => parse(text))).toMatchObject({ code: 'MANIFEST_INVALID', details: { field } });
  });

  test('10^5 brackets are refused, not recursed into', () => {
    expect(errorOf(() => parse('['.repeat(100_000))).code).toBe('MANIFEST_INVALID');
    expect(errorOf(() => parse('{"a":'.repeat(100_000))).code).toBe('MANIFEST_INVALID');
  });

  test('bytes that are no UTF-8, a byte order mark and text behind the end are refused', () => {
    expect(errorOf(() => parseStrictJson(Buffer.from([0x22, 0xff, 0x22]), OPTIONS)).code).toBe('MANIFEST_INVALID');
    expect(errorOf(() => parse('\ufeff{}')).code).toBe('MANIFEST_INVALID');
    expect(errorOf(() => parse('{} {}')).code).toBe('MANIFEST_INVALID');
  });

  test('control characters of a key do not reach the message', () => {
    const { message } = errorOf(() => parse('{"\\u001b]0;x\\u202e":{"a":}}'));
    expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
  });
});

describe('sizes of a manifest', () => {
  test.each(['"12"', '1e309', '-1', '-0', '9007199254740993', '18446744073709551616', '1.5', 'null', 'true', '[]', '{}'])(
    'size %s is MANIFEST_INVALID and names layers[1].size',
    (size) => {
      const error = errorOf(() => parseManifest(manifestWithSize(size), { what: 'manifest' }));
      expect(error).toMatchObject({ code: 'MANIFEST_INVALID', details: { field: 'layers[1].size' } });
      expect(error.message).toContain('layers[1].size');
    },
  );

  test('2^53 - 1 is the largest size there is', () => {
    const manifest = parseManifest(manifestWithSize('9007199254740991'), { what: 'manifest' });
    expect(manifest).toMatchObject({ layers: [{ sizeBytes: 1 }, { sizeBytes: Number.MAX_SAFE_INTEGER }] });
  });
});

describe('caps', () => {
  test('a manifest of 3.9 MB passes, one of 5 MiB is LIMIT_MANIFEST_SIZE before it is parsed', () => {
    const text = manifestWithSize('1').toString();
    const padded = (bytes: number) => Buffer.from(text.replace(/\}$/, `,"annotations":{"pad":"${'x'.repeat(bytes)}"}}`));
    expect(parseManifest(padded(3_900_000), { what: 'manifest' }).kind).toBe('manifest');
    expect(errorOf(() => parseManifest(padded(5 * 1024 * 1024), { what: 'manifest' })).code).toBe('LIMIT_MANIFEST_SIZE');
    expect(errorOf(() => parseManifest(Buffer.alloc(5 * 1024 * 1024), { what: 'manifest' })).code).toBe('LIMIT_MANIFEST_SIZE');
  });

  test('a config of 5 MiB is LIMIT_MANIFEST_SIZE', () => {
    expect(errorOf(() => parseImageConfig(Buffer.alloc(5 * 1024 * 1024, 0x20), 'config')).code).toBe('LIMIT_MANIFEST_SIZE');
  });

  test('10^4 layers are read', () => {
    const [head, tail] = manifestWithSize('1').toString().split('"layers":[');
    const layer = tail?.slice(0, tail.indexOf('}') + 1) ?? '';
    const text = `${head}"layers":[${Array.from({ length: 10_000 }, () => layer).join(',')}]}`;
    const manifest = parseManifest(Buffer.from(text), { what: 'manifest' });
    expect(manifest.kind === 'manifest' && manifest.layers.length).toBe(10_000);
  });
});

describe('a config', () => {
  const config = (patch: Record<string, unknown>) =>
    Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [] }, ...patch }));

  test.each<[Record<string, unknown>, string]>([
    [{ rootfs: { type: 'layers', diff_ids: 'x' } }, 'rootfs.diff_ids'],
    [{ rootfs: { type: 'other', diff_ids: [] } }, 'rootfs.type'],
    [{ rootfs: null }, 'rootfs'],
    [{ config: { Env: [1] } }, 'config.Env[0]'],
    [{ config: { Labels: { a: {} } } }, 'config.Labels.a'],
    [{ history: [{ empty_layer: 'yes' }] }, 'history[0].empty_layer'],
    [{ os: 3 }, 'os'],
  ])('%j is CONFIG_BLOB_INVALID at %s', (patch, field) => {
    expect(errorOf(() => parseImageConfig(config(patch), 'config'))).toMatchObject({
      code: 'CONFIG_BLOB_INVALID',
      details: { field },
    });
  });

  test('fields that builders write as null or leave out are empty', () => {
    const bytes = Buffer.from(
      '{"rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":null,"Cmd":null,"Labels":null,"Volumes":null},"history":null}',
    );
    expect(parseImageConfig(bytes, 'config')).toMatchObject({ os: '', env: [], cmd: [], volumes: [], createdBy: [] });
  });
});
