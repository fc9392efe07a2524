/** A layer that two threads share: one inflates, the other hashes, scans and writes. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import type { DiffId, Digest } from '../../src/lib/oci/digest.ts';
import type { LayerFacts } from '../../src/lib/pipeline/layer-job.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { passLayer, type LayerPassRequest } from '../../src/lib/pipeline/pass-layer.ts';
import { WorkerPool } from '../../src/lib/pipeline/worker-pool.ts';
import { FIXTURE_NAMES, fixtureLayers } from './fixture-layers.ts';

let dir = '';
let pool: WorkerPool;
const budget = new MemoryBudget();

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'clipctl-split-'));
});
beforeEach(() => {
  pool = new WorkerPool(2);
});
afterEach(() => pool.close());
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;

interface Layer {
  readonly bytes: Uint8Array;
  readonly digest: Digest;
  readonly diffId: DiffId;
}

function split(
  layer: Layer,
  options: Partial<Omit<LayerPassRequest, 'job'>> & { job?: Partial<LayerPassRequest['job']> } = {},
): Promise<LayerFacts> {
  const { job, ...rest } = options;
  return passLayer({
    open: () => Promise.resolve(pieces(layer.bytes)),
    pool,
    budget,
    signal: new AbortController().signal,
    isLast: true,
    onBytes: () => undefined,
    ...rest,
    job: {
      expected: { digest: layer.digest, sizeBytes: layer.bytes.length, diffId: layer.diffId },
      ingestFile: undefined,
      isFlushed: true,
      scan: true,
      checkpointIntervalBytes: 1 << 20,
      limits: DEFAULT_LIMITS,
      maxEntries: 1_000_000,
      ...job,
    },
  });
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50_000) yield await Promise.resolve(bytes.subarray(at, at + 50_000));
}

type Packed = 'plain' | 'gzip';

/** 24 MiB that do not compress away: many times the ring. */
function largeLayer(packed: Packed = 'gzip'): Layer {
  const tar = Buffer.alloc(24 * 1024 * 1024);
  let state = 12345;
  for (let at = 0; at < tar.length; at += 4)
    tar.writeUInt32LE((state = (Math.imul(state, 1664525) + 1013904223) >>> 0) & 0x0f0f0f0f, at);
  const bytes = packed === 'gzip' ? gzipSync(tar, { level: 1 }) : tar;
  return { bytes, digest: sha256(bytes), diffId: sha256(tar) };
}

it('learns the same as one thread, of every fixture layer', async () => {
  for (const layer of FIXTURE_NAMES.flatMap(fixtureLayers))
    expect(await split(layer)).toEqual(await split(layer, { isLast: false }));
});

it.each<Packed>(['gzip', 'plain'])(
  'writes every byte of a %s layer in order, far beyond the size of the ring',
  async (packed) => {
    const layer = largeLayer(packed);
    const ingestPath = join(dir, `large-${packed}`);
    writeFileSync(ingestPath, '');
    const facts = await split(layer, { job: { ingestFile: { path: ingestPath }, scan: false } });
    expect(facts.diffId).toBe(layer.diffId);
    expect(sha256(readFileSync(ingestPath))).toBe(layer.diffId);
    expect(budget.usedBytes).toBe(0);
  },
);

it('tells why the output side failed, not that the inflating side was stopped', async () => {
  const layer = largeLayer();
  const failure = split(layer, { job: { ingestFile: { path: '/dev/full' }, scan: false } });
  await expect(failure).rejects.toMatchObject({ code: 'STORAGE_FULL' });
  expect(budget.usedBytes).toBe(0);
  await expect(split(layer, { job: { scan: false } })).resolves.toMatchObject({ diffId: layer.diffId });
});

it('refuses wrong bytes and lies as one thread does', async () => {
  const layer = largeLayer();
  const flipped = Buffer.from(layer.bytes);
  flipped[flipped.length >> 1] = (flipped[flipped.length >> 1] ?? 0) ^ 1;
  await expect(split({ ...layer, bytes: flipped })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  await expect(split({ ...layer, diffId: layer.digest }, { job: { scan: false } })).rejects.toMatchObject({
    code: 'DIFF_ID_MISMATCH',
  });
});

it('ends at once when aborted, also while the ring is full', async () => {
  const layer = largeLayer();
  const controller = new AbortController();
  let taken = 0;
  const failure = split(layer, {
    signal: controller.signal,
    onBytes: () => (taken += 1) === 20 && controller.abort(),
    job: { scan: false },
  });
  await expect(failure).rejects.toMatchObject({ name: 'AbortError' });
  expect(budget.usedBytes).toBe(0);
});
