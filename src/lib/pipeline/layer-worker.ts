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
import { adoptKernelModule } from '../compression/gzip/kernel-module.ts';
import { pageBuffersOf } from '../tar/packed-entries.ts';
import { hashFileThrough } from './file-hash.ts';
import { HandoverReader, HandoverWriter } from './handover.ts';
import { LayerOutputs } from './layer-outputs.ts';
import { LayerPass } from './layer-pass.ts';
import { RingWriter } from './output-ring.ts';
import { plainErrorOf } from './plain-error.ts';
import { SpanPass } from './span-pass.ts';
import { openPermit } from './window-permit.ts';

const port = parentPort;
if (port === null) throw new ClipctlError('INTERNAL', 'layer-worker is started by the worker pool');

const { permitCell, kernel } = workerData as WorkerData;
const largeWindows = openPermit(permitCell, threadId);
if (kernel !== undefined) adoptKernelModule(kernel);

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

const askToGrow = (endBytes: number): void => say({ type: 'grow', endBytes });

port.on('message', (message: ToWorker) => {
  queue = queue.then(() => handle(message)).catch(fail);
});

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'begin') {
    stages = message.link === undefined ? openWhole(message.job, message.shared) : openInflating(message.job, message.link);
  } else if (message.type === 'begin-span') stages = openSpan(message.job, message.shared);
  else if (message.type === 'begin-hash') stages = openHash(message.path, message.shared);
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
  const outputs = new LayerOutputs(job, askToGrow);
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
  const handover = new HandoverWriter(link);
  const pass = new LayerPass(job, {
    onOutput: (view) => handover.write(view),
    awaitReaders: () => handover.awaitReaders(),
    onCheckpoint: (checkpoint) => handover.tell({ checkpoint }),
    onResumePoint: (point) => handover.tell({ point }),
    largeWindows,
  });
  return {
    slots: new Uint8Array(link.shared),
    write: (input) => pass.write(input),
    finish: async () => {
      const facts = await pass.finish();
      handover.end();
      return [{ type: 'decoded', facts }];
    },
    // The other half closes the port when it has taken all notes.
    close: () => pass.close(),
  };
}

/** The whole layer, whose bytes also go to the main thread, which sends them on (layer-parts.ts). */
function openThrough(job: LayerJob, link: OutputLink): Stages {
  const ring = new RingWriter(link);
  const outputs = new LayerOutputs(job, askToGrow);
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
      const sha256 = await pass.finish();
      return [{ type: 'span', ...(sha256 && { sha256 }) }];
    },
    close: () => pass.close(),
  };
}

/** No piece comes: the file is read at the end, through the memory that pieces would come in. */
function openHash(path: string, shared: SharedArrayBuffer): Stages {
  const slots = new Uint8Array(shared);
  return {
    slots,
    write: () => Promise.resolve(),
    finish: () => Promise.resolve([{ type: 'hashed', hex: hashFileThrough(path, slots) }]),
    close: () => undefined,
  };
}

/** The other half: until the inflating worker says that it has all. */
function takeOutputs(job: LayerJob, link: OutputLink): void {
  const outputs = new LayerOutputs(job, askToGrow);
  const onError = (error: unknown): void => {
    link.port.close();
    outputs.close();
    say({ type: 'failed', error: plainErrorOf(error) });
  };
  const reader = new HandoverReader(link, {
    onOutput: (view) => outputs.write(view),
    onNote: (note) => ('checkpoint' in note ? outputs.noteCheckpoint(note.checkpoint) : outputs.noteResumePoint(note.point)),
    onEnd: () => {
      link.port.close();
      outputs.finish().then((facts) => say({ type: 'outputs', facts }), onError);
    },
    onError,
  });
  reader.start();
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
