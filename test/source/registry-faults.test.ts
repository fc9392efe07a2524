import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RetryEvent } from '../../src/lib/http/retry.ts';
import type { LayerDescriptor } from '../../src/lib/oci/descriptor.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import type { OpenSourceOptions } from '../../src/lib/source/open-source.ts';
import { readAll } from '../conformance/image-source.ts';
import { startLoopbackRegistry, type Fault, type LoopbackRegistry, type RecordedRequest } from '../servers/loopback-registry.ts';
import { openForTest } from './open-for-test.ts';
import { writeRandomLayout } from './random-layout.ts';

const LAYER_BYTES = 1_000_003;
const signal = new AbortController().signal;

let directory: string;
let registry: LoopbackRegistry;
const opened: ImageSource[] = [];
let retries: RetryEvent[] = [];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-faults-'));
  await writeRandomLayout(directory, LAYER_BYTES);
  registry = await startLoopbackRegistry({ repositories: { 'lab/random': directory } });
});
afterEach(async () => {
  registry.script = undefined;
  retries = [];
  await Promise.all(opened.splice(0).map((source) => source.close()));
});
afterAll(async () => {
  await registry.close();
  await rm(directory, { recursive: true });
});

/** The source and its layer, resolved before any fault. */
async function openLayer(options: Partial<OpenSourceOptions> = {}): Promise<{ source: ImageSource; layer: LayerDescriptor }> {
  const source = openForTest(`${registry.host}/lab/random:v1`, { onRetry: (event) => retries.push(event), ...options });
  opened.push(source);
  const [layer] = (await source.resolve({ signal })).layers;
  if (layer === undefined) throw new Error('no layer');
  return { source, layer };
}

/** Faults for the first blob requests of a test, in order; then none. */
function script(...faults: readonly Fault[]): { readonly seen: RecordedRequest[] } {
  const seen: RecordedRequest[] = [];
  registry.script = (request) => {
    if (!request.path.includes('/blobs/')) return undefined;
    seen.push(request);
    return faults[seen.length - 1];
  };
  return { seen };
}

function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

describe('a blob that is cut', () => {
  test('is taken up by Range from the byte where it stopped, without a wait or a byte twice, and each time is told', async () => {
    const { source, layer } = await openLayer();
    const { seen } = script({ cutAt: 300_000 }, { cutAt: 200_000 });
    const bytes = await readAll(source, layer);
    expect(sha256(bytes)).toBe(layer.digest);
    expect(seen.map(({ headers }) => headers['range'])).toEqual([
      undefined,
      `bytes=300000-${LAYER_BYTES - 1}`,
      `bytes=500000-${LAYER_BYTES - 1}`,
    ]);
    expect(seen[1]?.headers['if-range']).toBe(`"${layer.digest}"`);
    expect(seen.reduce((sum, { bytesServed }) => sum + bytesServed, 0)).toBe(LAYER_BYTES);
    const told = { what: `${registry.host}: blob ${layer.digest}`, attempt: 1, most: 3, waitMs: 0, reason: 'NETWORK' };
    expect(retries).toEqual([told, told]);
  });

  test('cut again and again is finished as long as new bytes come', async () => {
    const { source, layer } = await openLayer({ retries: 1 });
    const { seen } = script(...Array.from({ length: 15 }, () => ({ cutAt: 64 * 1024 })));
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
    expect(seen).toHaveLength(16);
  });

  test('without one new byte is NETWORK after the tries are used up', async () => {
    const { source, layer } = await openLayer({ retries: 2 });
    const { seen } = script(...Array.from({ length: 9 }, () => ({ cutAt: 0 })));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'NETWORK' });
    expect(seen).toHaveLength(3);
    expect(retries.map(({ attempt }) => attempt)).toEqual([1, 2]);
  });

  test('is finished from a server that does not know Range, what came before is not given twice', async () => {
    const { source, layer } = await openLayer();
    script({ cutAt: 300_000 }, { ignoreRange: true });
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
  });

  test.each<[string, Fault]>([
    ['of another start', { wrongRange: true }],
    ['without Content-Range', { contentRange: '' }],
    ['with a Content-Range that is none', { contentRange: 'bytes 3-2/x' }],
  ])('a range %s is not spliced: the blob is read once more', async (_, fault) => {
    const { source, layer } = await openLayer();
    const { seen } = script({ cutAt: 300_000 }, fault);
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
    expect(seen[2]?.headers['range']).toBeUndefined();
  });

  test('a total that has changed is SIZE_MISMATCH', async () => {
    const { source, layer } = await openLayer();
    script({ cutAt: 300_000 }, { contentRange: `bytes 300000-${LAYER_BYTES - 1}/${LAYER_BYTES + 1}` });
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
  });

  test('in a range that was asked for goes on inside that range', async () => {
    const { source, layer } = await openLayer();
    const { seen } = script({ cutAt: 1000 });
    const part = await readAll(source, layer, { start: 500, end: 9000 });
    expect(seen.map(({ headers }) => headers['range'])).toEqual(['bytes=500-8999', 'bytes=1500-8999']);
    const whole = await readFile(join(directory, 'blobs', 'sha256', layer.digest.slice(7)));
    expect(part.equals(whole.subarray(500, 9000))).toBe(true);
  });
});

describe('a blob of the wrong length', () => {
  test.each<[string, Fault]>([
    ['one byte less', { replaceBody: Buffer.alloc(LAYER_BYTES - 1) }],
    ['one byte more', { replaceBody: Buffer.alloc(LAYER_BYTES + 1) }],
    ['one byte less without Content-Length', { replaceBody: Buffer.alloc(LAYER_BYTES - 1), chunked: true }],
    ['one byte more without Content-Length', { replaceBody: Buffer.alloc(LAYER_BYTES + 1), chunked: true }],
  ])('%s, answered in full, is SIZE_MISMATCH', async (_, fault) => {
    const { source, layer } = await openLayer();
    const { seen } = script(fault, fault, fault);
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(seen).toHaveLength(1);
  });
});

describe('a server that asks to wait', () => {
  test('is given the seconds of Retry-After, then asked again', async () => {
    const { source, layer } = await openLayer();
    script({ status: 429, headers: { 'retry-after': '7' } }, { status: 503, headers: { 'retry-after': '0' } });
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
    expect(retries.map(({ waitMs, reason }) => [waitMs, reason])).toEqual([
      [7000, 'RATE_LIMITED'],
      [0, 'REGISTRY_ERROR'],
    ]);
  });

  test('for longer than a minute is not waited for: RATE_LIMITED says when', async () => {
    const { source, layer } = await openLayer();
    const { seen } = script({ status: 429, headers: { 'retry-after': '3600' } });
    const failure = expect(source.openBlob(layer, { signal })).rejects;
    await failure.toMatchObject({ code: 'RATE_LIMITED', hint: expect.stringContaining('3600 s') as string });
    expect(seen).toHaveLength(1);
  });

  test('a quota without Retry-After is asked twice at most', async () => {
    const { source, layer } = await openLayer({ retries: 5 });
    const { seen } = script(...Array.from({ length: 9 }, () => ({ status: 429 })));
    await expect(source.openBlob(layer, { signal })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(seen).toHaveLength(2);
  });

  test.each([500, 502, 504, 408])('status %i is tried again', async (status) => {
    const { source, layer } = await openLayer();
    script({ status }, { status });
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
    expect(retries).toHaveLength(2);
  });
});

describe('a refusal', () => {
  test.each([
    [401, 'UNAUTHORIZED'],
    [403, 'FORBIDDEN'],
    [404, 'BLOB_NOT_FOUND'],
    [400, 'REGISTRY_ERROR'],
  ])('%i of a blob is %s, asked once', async (status, code) => {
    const { source, layer } = await openLayer();
    const { seen } = script({ status }, { status });
    await expect(source.openBlob(layer, { signal })).rejects.toMatchObject({ code });
    expect(seen).toHaveLength(1);
  });

  test('shows what the registry says with control characters escaped, cut short', async () => {
    const { source, layer } = await openLayer();
    const message = `no \u001b]0;owned\u0007 \u202e ${'x'.repeat(100_000)}`;
    script({ status: 403, body: JSON.stringify({ errors: [{ code: 'DENIED', message }] }) });
    const error = await source.openBlob(layer, { signal }).catch((caught: unknown) => caught as Error);
    const text = (error as Error).message;
    expect(text).toContain('no \\u{1b}]0;owned\\u{7} \\u{202e}');
    expect(text.length).toBeLessThan(1000);
  });
});

describe('a server that stalls', () => {
  test('before the answer is TIMEOUT when the tries are used up', async () => {
    const { source, layer } = await openLayer({ timeoutMs: 200, retries: 1 });
    script({ stallAt: 0 }, { stallAt: 0 }, { stallAt: 0 });
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('in the middle of a blob is left, and the blob taken up again', async () => {
    const { source, layer } = await openLayer({ timeoutMs: 200 });
    const { seen } = script({ stallAt: 400_000 });
    expect(sha256(await readAll(source, layer))).toBe(layer.digest);
    expect(seen[1]?.headers['range']).toBe(`bytes=400000-${LAYER_BYTES - 1}`);
  });

  test('does not hold a reader that leaves', async () => {
    const { source, layer } = await openLayer({ timeoutMs: 60_000 });
    script({ stallAt: 100_000 });
    const stream = await source.openBlob(layer, { signal });
    for await (const piece of stream) {
      expect(piece).toBeInstanceOf(Buffer);
      break;
    }
    expect(stream.destroyed).toBe(true);
  });
});

describe('a manifest', () => {
  test('is asked for twice when the first answer is cut', async () => {
    const source = openForTest(`${registry.host}/lab/random:v1`);
    opened.push(source);
    const before = registry.countOf('/v2/lab/random/manifests/v1');
    registry.script = ({ path, count }) => (path.endsWith('/manifests/v1') && count === before + 1 ? { cutAt: 40 } : undefined);
    expect((await source.resolve({ signal })).layers).toHaveLength(1);
    expect(registry.countOf('/v2/lab/random/manifests/v1')).toBe(before + 2);
  });

  test('with one flipped bit is DIGEST_MISMATCH and names both digests', async () => {
    registry.script = ({ path }) => (path.includes('/manifests/') ? { flipAt: 30 } : undefined);
    const source = openForTest(`${registry.host}/lab/random:v1`);
    opened.push(source);
    const failure = source.resolve({ signal });
    await expect(failure).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await expect(failure).rejects.toThrow(/sha256:[0-9a-f]{64}.*sha256:[0-9a-f]{64}/);
  });

  test('a config of other bytes is DIGEST_MISMATCH, one of another length SIZE_MISMATCH', async () => {
    for (const [fault, code] of [
      [{ flipAt: 30 }, 'DIGEST_MISMATCH'],
      [{ replaceBody: Buffer.from('{}') }, 'SIZE_MISMATCH'],
    ] as const) {
      registry.script = ({ path }) => (path.includes('/blobs/') ? fault : undefined);
      const source = openForTest(`${registry.host}/lab/random:v1`);
      opened.push(source);
      await expect(source.resolve({ signal })).rejects.toMatchObject({ code });
    }
  });

  test('costs two requests, and the tag is never asked for twice', async () => {
    const { source } = await openLayer();
    expect(source.requestCount).toBe(2);
    await source.resolve({ signal });
    await source.listPlatforms({ signal });
    expect(source.requestCount).toBe(2);
  });

  test('a host that refuses connections is NETWORK after its retries, naming the host', async () => {
    const source = openForTest('127.0.0.1:1/lab/random', { onRetry: (event) => retries.push(event) });
    opened.push(source);
    await expect(source.resolve({ signal })).rejects.toMatchObject({
      code: 'NETWORK',
      message: expect.stringContaining('127.0.0.1:1') as string,
    });
    expect(retries).toHaveLength(3);
  });
});
