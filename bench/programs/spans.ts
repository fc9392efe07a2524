/**
 * `spans.js FILE WORKERS`: inflates a gzip file from its checkpoints (every 4 MiB), span by span, shared out among so many
 * threads; and, for one of them, the same file from the start to the end. All is run twice, the first time untimed: what is
 * compared is the steady state of both.
 */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { Worker, isMainThread, parentPort, workerData, type MessagePort } from 'node:worker_threads';
import type { Checkpoint } from '../../src/lib/compression/decoder.ts';
import { firstByteOf } from '../../src/lib/compression/gzip/gunzip-stream.ts';
import { createKernelInflate } from '../../src/lib/compression/gzip/kernel-inflate.ts';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import { costOf } from './measure-work.ts';

const INTERVAL_BYTES = 4 * 1024 * 1024;
const INPUT_BYTES = 256 * 1024;

interface Task {
  readonly path: string;
  readonly checkpoints: readonly Checkpoint[];
  readonly endOffset: number;
  /** The number of the next span, taken by whoever is idle. */
  readonly next: Int32Array;
}

interface Whole {
  readonly checkpoints: readonly Checkpoint[];
  readonly outputBytes: number;
}

const input = Buffer.alloc(INPUT_BYTES);

async function inflateWhole(path: string): Promise<Whole> {
  const decoder = createDecoder({
    limits: DEFAULT_LIMITS,
    checkpointIntervalBytes: INTERVAL_BYTES,
    skipChecksum: true,
    onOutput: () => undefined,
  });
  const file = openSync(path, 'r');
  for (let length = 1; length > 0;) {
    length = readSync(file, input, 0, INPUT_BYTES, null);
    if (length > 0) await decoder.write(input.subarray(0, length));
  }
  closeSync(file);
  const { checkpoints, uncompressedBytes } = await decoder.finish();
  decoder.close();
  return { checkpoints, outputBytes: uncompressedBytes };
}

/** @returns decompressed bytes of the spans that this thread took */
function inflateSpans({ path, checkpoints, endOffset, next }: Task): number {
  const file = openSync(path, 'r');
  let outputBytes = 0;
  for (;;) {
    const index = Atomics.add(next, 0, 1);
    const checkpoint = checkpoints[index];
    if (checkpoint === undefined) break;
    const end = checkpoints[index + 1]?.uncompressedOffset ?? endOffset;
    outputBytes += inflateSpan(file, checkpoint, end);
  }
  closeSync(file);
  return outputBytes;
}

function inflateSpan(file: number, checkpoint: Checkpoint, endOffset: number): number {
  let outputBytes = 0;
  const span = createKernelInflate({
    checkpoint,
    endOffset,
    onOutput: (view) => {
      outputBytes += view.length;
    },
  });
  let position = firstByteOf(checkpoint);
  while (!span.isDone) {
    const length = readSync(file, input, 0, INPUT_BYTES, position);
    if (length === 0) break;
    span.write(input.subarray(0, length));
    position += length;
  }
  span.finish();
  span.close();
  return outputBytes;
}

/** Workers that wait for a task, and answer with the bytes they inflated. */
function startWorkers(count: number): readonly Worker[] {
  return Array.from({ length: count }, () => new Worker(process.argv[1]!, { workerData: 'spans' }));
}

async function inflateWithWorkers(workers: readonly Worker[], task: Task): Promise<{ outputBytes: number }> {
  const shares = workers.map(
    (worker) =>
      new Promise<number>((resolve, reject) => {
        worker.once('message', resolve).once('error', reject);
        worker.postMessage(task);
      }),
  );
  const bytes = await Promise.all(shares);
  return { outputBytes: bytes.reduce((sum, each) => sum + each, 0) };
}

async function main(path: string, count: number): Promise<void> {
  const { checkpoints, outputBytes } = await inflateWhole(path);
  const whole = await costOf(() => inflateWhole(path));
  const workers = startWorkers(count);
  const counter = new Int32Array(new SharedArrayBuffer(4));
  const task = { path, checkpoints, endOffset: outputBytes, next: counter };
  await inflateWithWorkers(workers, task);
  counter[0] = 0;
  const spans = await costOf(() => inflateWithWorkers(workers, task));
  await Promise.all(workers.map((worker) => worker.terminate()));
  const report = {
    ...spans,
    spans: checkpoints.length,
    packedBytes: statSync(path).size,
    wholeCpuMs: whole.cpuMs,
    wholeWallMs: whole.wallMs,
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

if (isMainThread) await main(process.argv[2] ?? '', Number(process.argv[3]));
else if (workerData === 'spans') serve(parentPort!);

function serve(port: MessagePort): void {
  port.on('message', (task: Task) => port.postMessage(inflateSpans(task)));
}
