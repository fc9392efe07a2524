import { once } from 'node:events';
import { MessageChannel } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { clearHandover, HandoverReader, HandoverWriter } from '../../src/lib/pipeline/handover.ts';
import { SHARED_BYTES } from '../../src/lib/pipeline/output-ring.ts';

/** What the reader gets of what is written before it starts. */
async function handOver(write: (writer: HandoverWriter, shared: SharedArrayBuffer) => void): Promise<string[]> {
  const shared = new SharedArrayBuffer(SHARED_BYTES);
  const { port1, port2 } = new MessageChannel();
  clearHandover(shared);
  const writer = new HandoverWriter({ shared, port: port1 });
  write(writer, shared);
  writer.end();
  const taken: string[] = [];
  const over = new EventTarget();
  const ended = once(over, 'end');
  const fail = (error: unknown): void => void over.dispatchEvent(Object.assign(new Event('error'), { error }));
  const reader = new HandoverReader(
    { shared, port: port2 },
    {
      onOutput: (view) => taken.push(Buffer.from(view).toString('latin1')),
      onNote: () => taken.push('note'),
      onEnd: () => void over.dispatchEvent(new Event('end')),
      onError: fail,
    },
  );
  reader.start();
  await ended;
  port1.close();
  port2.close();
  return taken;
}

it('bytes of the input slots are read as they were written, whatever the slots hold afterwards', async () => {
  const taken = await handOver((writer, shared) => {
    const slot = Buffer.from(shared, 0, 4);
    for (const text of ['one.', 'two.', 'tri.']) {
      slot.write(text);
      writer.write(slot);
    }
    slot.fill(0);
  });
  expect(taken).toEqual(['one.', 'two.', 'tri.']);
});

it("bytes of a decoder's own shared memory are read where they stand, in the order of the notes between them", async () => {
  const memory = Buffer.from(new SharedArrayBuffer(64));
  memory.write('first second');
  const taken = await handOver((writer) => {
    writer.write(memory.subarray(0, 5));
    writer.tell({ checkpoint: { bit: 0, uncompressedOffset: 5, compressedOffset: 0, window: new Uint8Array(0) } });
    writer.write(memory.subarray(6, 12));
  });
  expect(taken).toEqual(['first', 'note', 'second']);
});

it('bytes that no thread shares are copied', async () => {
  const taken = await handOver((writer) => {
    const own = Buffer.from('mine');
    writer.write(own);
    own.fill(0);
  });
  expect(taken).toEqual(['mine']);
});
