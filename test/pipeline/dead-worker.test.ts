/** A worker that dies while it has a layer: one error, and nothing but that layer is lost. */
import { createHash } from 'node:crypto';
import type { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import type { LayerFacts } from '../../src/lib/pipeline/layer-job.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { passLayer } from '../../src/lib/pipeline/pass-layer.ts';
import { WorkerPool, type LendOptions } from '../../src/lib/pipeline/worker-pool.ts';

const PIECE_BYTES = 64 * 1024;

/** Tells which workers a layer has. */
class WatchedPool extends WorkerPool {
  readonly lent: (readonly [Worker, Worker | undefined])[] = [];

  override run<T>(use: (worker: Worker, mate: Worker | undefined) => Promise<T>, options: LendOptions): Promise<T> {
    return super.run((worker, mate) => {
      this.lent.push([worker, mate]);
      return use(worker, mate);
    }, options);
  }
}

let pool: WatchedPool;
let budget: MemoryBudget;
beforeEach(() => {
  pool = new WatchedPool(2);
  budget = new MemoryBudget();
});
afterEach(() => pool.close());

const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
const TAR = Buffer.from(
  createHash('shake256', { outputLength: 4 * 1024 * 1024 })
    .update('a layer')
    .digest(),
);
const PACKED = gzipSync(TAR, { level: 1 });

interface Pass {
  readonly isLast?: boolean;
  /** Called in the middle of the layer; the bytes go on when it is over. */
  readonly inTheMiddle?: () => Promise<unknown>;
}

async function* pieces(inTheMiddle: () => Promise<unknown>): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < PACKED.length; at += PIECE_BYTES) {
    if (at === 16 * PIECE_BYTES) await inTheMiddle();
    yield PACKED.subarray(at, at + PIECE_BYTES);
  }
}

function pass({ isLast = false, inTheMiddle = () => Promise.resolve() }: Pass = {}): Promise<LayerFacts> {
  return passLayer({
    job: {
      expected: { digest: sha256(PACKED), sizeBytes: PACKED.length, diffId: sha256(TAR) },
      ingestFile: undefined,
      isFlushed: true,
      scan: false,
      checkpointIntervalBytes: 1 << 20,
      limits: DEFAULT_LIMITS,
      maxEntries: 1000,
    },
    open: () => Promise.resolve(pieces(inTheMiddle)),
    pool,
    budget,
    signal: new AbortController().signal,
    isLast,
    onBytes: () => undefined,
  });
}

const DIED = { code: 'INTERNAL', message: expect.stringMatching(/^a layer worker died: /) as string };

describe('a worker that dies in the middle of a layer', () => {
  it('fails that layer with one error; the one beside it and the next come whole', async () => {
    const dying = pass({ inTheMiddle: () => pool.lent[0]![0].terminate() });
    const beside = pass();
    await expect(dying).rejects.toMatchObject(DIED);
    await expect(beside).resolves.toMatchObject({ diffId: sha256(TAR), decoder: 'kernel' });
    await expect(Promise.all([pass(), pass()])).resolves.toHaveLength(2);
    expect(budget.usedBytes).toBe(0);
  });

  it.each(['inflates', 'takes the outputs'] as const)('fails a split layer too, when it is the one that %s', async (half) => {
    const end = () => pool.lent[0]![half === 'inflates' ? 0 : 1]!.terminate();
    await expect(pass({ isLast: true, inTheMiddle: end })).rejects.toMatchObject(DIED);
    expect(pool.lent[0]![1]).toBeDefined();
    await expect(pass({ isLast: true })).resolves.toMatchObject({ diffId: sha256(TAR) });
    expect(budget.usedBytes).toBe(0);
  });
});
