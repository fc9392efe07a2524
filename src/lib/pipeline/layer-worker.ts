/** The worker thread: takes one layer after another through its pass, piece by piece, in the order they were sent. */
import { parentPort } from 'node:worker_threads';
import { ClipctlError } from '../errors.ts';
import type { FromWorker, ToWorker } from './layer-job.ts';
import { SLOT_BYTES } from './layer-job.ts';
import { LayerPass } from './layer-pass.ts';
import { plainErrorOf } from './plain-error.ts';

const port = parentPort;
if (port === null) throw new ClipctlError('INTERNAL', 'layer-worker is started by the worker pool');

let pass: LayerPass | undefined;
let slots: Uint8Array = new Uint8Array(0);
let failed = false;
let queue: Promise<void> = Promise.resolve();

const say = (message: FromWorker): void => port.postMessage(message);

port.on('message', (message: ToWorker) => {
  queue = queue.then(() => handle(message)).catch(fail);
});

async function handle(message: ToWorker): Promise<void> {
  if (message.type === 'begin') {
    failed = false;
    slots = new Uint8Array(message.slots);
    pass = new LayerPass(message.job);
  } else if (message.type === 'piece') {
    const start = message.slot * SLOT_BYTES;
    try {
      if (!failed) await pass?.write(slots.subarray(start, start + message.length));
    } finally {
      // Every piece is answered, failed or not: the main thread waits for all of them before it reuses this worker.
      say({ type: 'free', slot: message.slot });
    }
  } else if (!failed && pass !== undefined) {
    const facts = await pass.finish();
    closePass();
    say({ type: 'done', facts });
  }
}

function fail(error: unknown): void {
  failed = true;
  closePass();
  say({ type: 'failed', error: plainErrorOf(error) });
}

function closePass(): void {
  pass?.close();
  pass = undefined;
}
