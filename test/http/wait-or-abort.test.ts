import { afterEach, beforeEach, expect, test } from 'vitest';
import { waitOrAbort } from '../../src/lib/http/wait-or-abort.ts';
import { openForTest } from '../source/open-for-test.ts';

const unhandled: unknown[] = [];
const note = (error: unknown): void => void unhandled.push(error);
beforeEach(() => void process.on('unhandledRejection', note));
afterEach(() => void process.off('unhandledRejection', note));
const stopped = AbortSignal.abort(new Error('told to stop'));

test('who is told to stop before it waits leaves no failure that nobody hears of', async () => {
  const failing = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('later')), 5));
  await expect(waitOrAbort(failing, stopped)).rejects.toThrow('told to stop');
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(unhandled).toEqual([]);
});

test('a source that is asked with a signal that was aborted says so, though its registry cannot be reached', async () => {
  const source = openForTest('127.0.0.1:1/lab/image:v1', { retries: 0 });
  await expect(source.resolve({ signal: stopped })).rejects.toThrow('told to stop');
  await new Promise((resolve) => setTimeout(resolve, 500));
  await source.close();
  expect(unhandled).toEqual([]);
});
