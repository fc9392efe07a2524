/**
 * The worker thread: takes one layer after another through its pass, piece by piece, in the order they were sent. Of a
 * split layer it does one half: it inflates into the ring of another worker, or it takes the outputs from such a ring.
 */
import { parentPort, threadId, workerData } from 'node:worker_threads';
import { ClipctlError, errorCodeOf } from '../errors.ts';
import {
  SLOT_BYTES,
  type FromWorker,
  type LayerJob,
  type OutputLink,
  type SpanJob,
  type ToWorker,
  type WorkerData,
} from './layer-job.ts';
import { pageBuffersOf } from '../tar/packed-entries.ts';
import { LayerOutputs } from './layer-outputs.ts';
import { LayerPass } from './layer-pass.ts';
import { RingReader, RingWriter, type RingMessage } from './output-ring.ts';
import { plainErrorOf } from './plain-error.ts';
import { SpanPass } from './span-pass.ts';
import { openPermit } from './window-permit.ts';

const port = parentPort;
if (port === null) throw new ClipctlError('INTERNAL', 'layer-worker is started by the worker pool');

const { permitCell } = workerData as WorkerData;
const largeWindows = openPermit(permitCell, threadId);

/** What the bytes of the layer in hand go through; undefined after its end or its failure. */
interface Stages {
  readonly slots: Uint8Array;
  readonly write: (input: Uint8Array) => Promise<void>;
  /** Ends the layer and gives what there is to say. */
  readonly finish: () => Promise<readonly FromWorker[]>;
  readonly close: () => void;
}

let stages: Stages | undefined;
let queue: Promise<void> = Promise.resolve();

/** What is large and not needed here any more is moved, not copied. */
const say = (message: FromWorker): void =>
  port.postMessage(message, message.type === 'outputs' ? pageBuffersOf(message.facts.entries) : []);

port.on('message', (message: ToWorker) => {
  queue = queue.then(() => handle(message)).catch(fail);
});

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'begin') {
    stages = message.link === undefined ? openWhole(message.job, message.shared) : openInflating(message.job, message.link);
  } else if (message.type === 'begin-span') stages = openSpan(message.job, message.shared);
  else if (message.type === 'begin-through') stages = openThrough(message.job, message.link);
  else if (message.type === 'piece') await takePiece(message.slot, message.length);
  else if (message.type === 'end') await finish();
  else takeOutputs(message.job, message.link);
}

async function takePiece(slot: number, length: number): Promise<void> {
  try {
    await stages?.write(stages.slots.subarray(slot * SLOT_BYTES, slot * SLOT_BYTES + length));
  } finally {
    // Every piece is answered, failed or not: the main thread waits for all of them before it reuses this worker.
    say({ type: 'free', slot });
  }
}

async function finish(): Promise<void> {
  if (stages === undefined) return;
  const answers = await stages.finish();
  close();
  for (const answer of answers) say(answer);
}

function openWhole(job: LayerJob, shared: SharedArrayBuffer): Stages {
  const outputs = new LayerOutputs(job);
  const pass = new LayerPass(job, {
    onOutput: (view) => outputs.write(view),
    onCheckpoint: (checkpoint) => outputs.noteCheckpoint(checkpoint),
    onResumePoint: (point) => outputs.noteResumePoint(point),
    largeWindows,
  });
  return {
    slots: new Uint8Array(shared),
    write: (input) => pass.write(input),
    finish: async () => [
      { type: 'decoded', facts: await pass.finish() },
      { type: 'outputs', facts: await outputs.finish() },
    ],
    close: () => {
      pass.close();
      outputs.close();
    },
  };
}

function openInflating(job: LayerJob, link: OutputLink): Stages {
  const ring = new RingWriter(link);
  const pass = new LayerPass(job, {
    onOutput: (view) => ring.write(view),
    onCheckpoint: (checkpoint) => ring.tell({ checkpoint }),
    onResumePoint: (point) => ring.tell({ point }),
    largeWindows,
  });
  return {
    slots: new Uint8Array(link.shared),
    write: (input) => pass.write(input),
    finish: async () => {
      const facts = await pass.finish();
      ring.end();
      return [{ type: 'decoded', facts }];
    },
    close: () => {
      pass.close();
      link.port.close();
    },
  };
}

/** The whole layer, whose bytes also go to the main thread, which sends them on (layer-parts.ts). */
function openThrough(job: LayerJob, link: OutputLink): Stages {
  const ring = new RingWriter(link);
  const outputs = new LayerOutputs(job);
  const onOutput = (view: Uint8Array): void => {
    outputs.write(view);
    ring.write(view);
  };
  const pass = new LayerPass(job, { onOutput, largeWindows });
  return {
    slots: new Uint8Array(link.shared),
    write: (input) => pass.write(input),
    finish: async () => {
      const decoded = await pass.finish();
      const facts = await outputs.finish();
      ring.end();
      return [
        { type: 'decoded', facts: decoded },
        { type: 'outputs', facts },
      ];
    },
    close: () => {
      pass.close();
      outputs.close();
      link.port.close();
    },
  };
}

function openSpan(job: SpanJob, shared: SharedArrayBuffer): Stages {
  const pass = new SpanPass(job, largeWindows);
  return {
    slots: new Uint8Array(shared),
    write: (input) => pass.write(input),
    finish: async () => {
      await pass.finish();
      return [{ type: 'span' }];
    },
    close: () => pass.close(),
  };
}

/** The other half: until the inflating worker says `end`. */
function takeOutputs(job: LayerJob, link: OutputLink): void {
  const outputs = new LayerOutputs(job);
  const ring = new RingReader(link);
  const stop = (error: unknown): void => {
    outputs.close();
    ring.stop();
    say({ type: 'failed', error: plainErrorOf(error) });
  };
  link.port.on('message', (message: RingMessage) => {
    if (message === 'end') {
      outputs.finish().then((facts) => say({ type: 'outputs', facts }), stop);
      link.port.close();
      return;
    }
    try {
      if ('checkpoint' in message) outputs.noteCheckpoint(message.checkpoint);
      else if ('point' in message) outputs.noteResumePoint(message.point);
      else ring.take(message.length, (view) => outputs.write(view));
    } catch (error) {
      link.port.close();
      stop(error);
    }
  });
}

function fail(error: unknown): void {
  close();
  // The other half of a split layer has stopped, and tells why itself.
  if (errorCodeOf(error) === 'ABORTED') return;
  say({ type: 'failed', error: plainErrorOf(error) });
}

function close(): void {
  stages?.close();
  stages = undefined;
}
