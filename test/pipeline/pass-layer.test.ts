import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import type { LayerFacts, LayerJob } from '../../src/lib/pipeline/layer-job.ts';
import { WORKING_SET_BYTES } from '../../src/lib/pipeline/layer-job.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { passLayer } from '../../src/lib/pipeline/pass-layer.ts';
import { WorkerPool } from '../../src/lib/pipeline/worker-pool.ts';
import { FIXTURE_NAMES, fixtureLayers, type FixtureLayer } from './fixture-layers.ts';

const budget = new MemoryBudget();
const pool = new WorkerPool(2);
let dir = '';

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'clipctl-pass-'));
});
afterAll(async () => {
  await pool.close();
  rmSync(dir, { recursive: true, force: true });
});

const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
const empty = (name: string): string => {
  const path = join(dir, name);
  writeFileSync(path, '');
  return path;
};

interface Pass {
  readonly expected?: Partial<LayerJob['expected']>;
  readonly ingestPath?: string;
  readonly scan?: boolean;
  readonly pieceBytes?: number;
  readonly maxLayerBytes?: number;
  readonly signal?: AbortSignal;
  readonly afterPiece?: () => void;
  readonly isLast?: boolean;
}

async function* cut(bytes: Uint8Array, pieceBytes: number, afterPiece: () => void): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    yield bytes.subarray(at, at + pieceBytes);
    afterPiece();
    await Promise.resolve();
  }
}

function pass(layer: Pick<FixtureLayer, 'digest' | 'diffId' | 'bytes'>, options: Pass = {}): Promise<LayerFacts> {
  return passLayer({
    job: {
      expected: { digest: layer.digest, sizeBytes: layer.bytes.length, diffId: layer.diffId, ...options.expected },
      ingestFile: options.ingestPath === undefined ? undefined : { path: options.ingestPath },
      isFlushed: true,
      scan: options.scan ?? true,
      checkpointIntervalBytes: 1 << 20,
      limits: { ...DEFAULT_LIMITS, maxLayerBytes: options.maxLayerBytes ?? DEFAULT_LIMITS.maxLayerBytes },
      maxEntries: 1_000_000,
    },
    open: () => Promise.resolve(cut(layer.bytes, options.pieceBytes ?? 65536, options.afterPiece ?? (() => undefined))),
    pool,
    budget,
    signal: options.signal ?? new AbortController().signal,
    isLast: options.isLast ?? false,
    onBytes: () => undefined,
  });
}

describe('passLayer', () => {
  it.each(FIXTURE_NAMES)('takes every layer of %s to its diffID, whatever the pieces', async (name) => {
    for (const layer of fixtureLayers(name)) {
      const path = empty(`${name}-${layer.digest.slice(7, 19)}`);
      const facts = await pass(layer, { ingestPath: path, pieceBytes: 997 });
      expect(facts.diffId).toBe(layer.diffId);
      expect(facts.entries.length).toBeGreaterThan(0);
      expect(sha256(readFileSync(path))).toBe(layer.diffId);
      expect(facts.uncompressedBytes).toBe(readFileSync(path).length);
      expect(facts.compressedBytes).toBe(layer.bytes.length);
    }
    expect(budget.usedBytes).toBe(0);
  });

  it('gives the sha256 of each 4 MiB of the tar', async () => {
    const tar = Buffer.alloc(9 * 1024 * 1024);
    const bytes = gzipSync(tar);
    const facts = await pass({ bytes, digest: sha256(bytes), diffId: sha256(tar) });
    const spans = [tar.subarray(0, 4 << 20), tar.subarray(4 << 20, 8 << 20), tar.subarray(8 << 20)];
    expect(Buffer.from(facts.contentDigests).toString('hex')).toBe(spans.map((span) => sha256(span).slice(7)).join(''));
  });

  it('refuses a flipped bit with both digests in the message', async () => {
    const [layer] = fixtureLayers('odd-gzip') as [FixtureLayer];
    for (const at of [20, layer.bytes.length >> 1, layer.bytes.length - 1]) {
      const bytes = Buffer.from(layer.bytes);
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      const failure = pass({ ...layer, bytes });
      await expect(failure).rejects.toMatchObject({
        code: 'DIGEST_MISMATCH',
        details: { expected: layer.digest, actual: sha256(bytes) },
      });
    }
  });

  it('refuses a layer that is cut, and one that is longer than its descriptor', async () => {
    const [layer] = fixtureLayers('odd-gzip') as [FixtureLayer];
    const sizeBytes = layer.bytes.length;
    await expect(pass({ ...layer, bytes: layer.bytes.subarray(0, -1) }, { expected: { sizeBytes } })).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
    await expect(pass(layer, { expected: { sizeBytes: sizeBytes - 1 } })).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
  });

  it('refuses a config that lies about the diffID', async () => {
    const [layer] = fixtureLayers('odd-gzip') as [FixtureLayer];
    await expect(pass(layer, { expected: { diffId: sha256(Buffer.from('x')) } })).rejects.toMatchObject({
      code: 'DIFF_ID_MISMATCH',
    });
  });

  it('stops a bomb at the limit, not at its end', async () => {
    const tar = Buffer.alloc(64 * 1024 * 1024);
    const bytes = gzipSync(tar);
    const path = empty('bomb');
    const limit = 4 * 1024 * 1024;
    await expect(
      pass({ bytes, digest: sha256(bytes), diffId: sha256(tar) }, { maxLayerBytes: limit, ingestPath: path }),
    ).rejects.toMatchObject({
      code: 'LIMIT_LAYER_SIZE',
    });
    expect(readFileSync(path).length).toBeLessThanOrEqual(limit);
  });

  it('refuses what is no tar when it is scanned, and lets it pass when it is not', async () => {
    const tar = Buffer.alloc(4096, 'not a tar');
    const bytes = gzipSync(tar);
    const layer = { bytes, digest: sha256(bytes), diffId: sha256(tar) };
    await expect(pass(layer)).rejects.toMatchObject({ code: 'TAR_INVALID' });
    await expect(pass(layer, { scan: false })).resolves.toMatchObject({ entries: [], uncompressedBytes: 4096 });
  });

  it('ends at once when aborted, and gives memory and worker back', async () => {
    const controller = new AbortController();
    const [layer] = fixtureLayers('odd-gzip') as [FixtureLayer];
    const aborted = pass(layer, { pieceBytes: 64, signal: controller.signal, afterPiece: () => controller.abort() });
    await expect(aborted).rejects.toMatchObject({ name: 'AbortError' });
    expect(budget.usedBytes).toBe(0);
    await expect(pass(layer)).resolves.toMatchObject({ diffId: layer.diffId });
  });

  it('passes a failure of the source on, and the next layer still works', async () => {
    const [layer] = fixtureLayers('odd-gzip') as [FixtureLayer];
    const broken = pass(layer, {
      pieceBytes: 100,
      afterPiece: () => {
        throw new Error('cable pulled');
      },
    });
    await expect(broken).rejects.toThrow('cable pulled');
    await expect(pass(layer)).resolves.toMatchObject({ diffId: layer.diffId });
  });

  it('keeps forty layers at once inside the 32 MiB budget', async () => {
    const layers = Array.from(
      { length: 40 },
      (_, at) => fixtureLayers(FIXTURE_NAMES[at % FIXTURE_NAMES.length] ?? 'odd-gzip')[0] as FixtureLayer,
    );
    const facts = await Promise.all(layers.map((layer) => pass(layer)));
    expect(facts.map((fact) => fact.diffId)).toEqual(layers.map((layer) => layer.diffId));
    expect(budget.peakBytes).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(budget.peakBytes % WORKING_SET_BYTES).toBe(0);
    expect(budget.usedBytes).toBe(0);
  });
});
