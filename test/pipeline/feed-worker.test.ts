import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { feedWorker } from '../../src/lib/pipeline/feed-worker.ts';
import { SLOT_BYTES, SLOT_COUNT } from '../../src/lib/pipeline/layer-job.ts';

it('a worker that dies says why', async () => {
  const worker = new Worker('throw new Error("EMFILE: too many open files")', { eval: true });
  const feeding = feedWorker<never>({
    workers: [worker],
    shared: new SharedArrayBuffer(SLOT_BYTES * SLOT_COUNT),
    open: async () => (async function* () {})(),
    signal: new AbortController().signal,
    onBytes: () => undefined,
    begin: () => undefined,
    onAnswer: () => undefined,
  });
  await expect(feeding).rejects.toMatchObject({
    message: 'a layer worker died: EMFILE: too many open files',
    hint: expect.stringContaining('ulimit -n') as string,
  });
});
