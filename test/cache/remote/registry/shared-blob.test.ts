import { expect, it } from 'vitest';
import { SharedBlob } from '../../../../src/lib/cache/remote/registry/shared-blob.ts';
import { signal } from '../../cache-directory.ts';

it('is sent by one at a time; when that one fails the next one sends it, and those behind find it there', async () => {
  const blob = new SharedBlob();
  const log: string[] = [];
  const sender = (name: string, fails: boolean) => async (): Promise<void> => {
    log.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    log.push(`${name} ends`);
    if (fails) throw new Error(name);
  };
  const all = ['a', 'b', 'c', 'd'].map((name) => blob.bring(sender(name, name === 'a'), signal));
  const ends = await Promise.allSettled(all);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
  expect(log).toEqual(['a begins', 'a ends', 'b begins', 'b ends']);
  await blob.bring(sender('e', false), signal);
  blob.forget();
  await blob.bring(sender('f', false), signal);
  expect(log.slice(4)).toEqual(['f begins', 'f ends']);
});

it('lets one who waits for it go as soon as that one is stopped', async () => {
  const blob = new SharedBlob();
  let finish = (): void => undefined;
  const sending = blob.bring(() => new Promise<void>((resolve) => (finish = resolve)), signal);
  const controller = new AbortController();
  const waiting = blob.bring(() => Promise.reject(new Error('never its turn')), controller.signal);
  controller.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
  finish();
  await sending;
});
