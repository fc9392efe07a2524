import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PROGRESS_BYTES, ReconnectBudget } from '../../src/lib/http/reconnect-budget.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { readAll } from '../conformance/image-source.ts';
import { startRandomRegistry, type RandomRegistry } from './random-registry.ts';

const LAYER_BYTES = 3_000_017;
const signal = new AbortController().signal;
let lab: RandomRegistry;

beforeAll(async () => {
  lab = await startRandomRegistry(LAYER_BYTES);
});
afterAll(() => lab.close());

describe('a server that cuts every answer', () => {
  test('after one byte is asked again at once, which counts no try, and is told; up to a limit for all reconnects', async () => {
    const { source, layer, retries } = await lab.openLayer({ retries: 0 });
    const seen = lab.script(() => ({ cutAt: 1 }));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'NETWORK', retryable: false });
    expect(seen).toHaveLength(101 + Math.ceil(LAYER_BYTES / PROGRESS_BYTES));
    expect(seen.at(-1)?.headers['range']).toBe(`bytes=${seen.length - 1}-${LAYER_BYTES - 1}`);
    expect(retries).toHaveLength(seen.length - 1);
    expect(retries.every(({ waitMs, attempt }) => waitMs === 0 && attempt === 1)).toBe(true);
  });

  test('before the first byte is asked once with --retries 0', async () => {
    const { source, layer, retries } = await lab.openLayer({ retries: 0 });
    const seen = lab.script(() => ({ cutAt: 0 }));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'NETWORK' });
    expect([seen.length, retries.length]).toEqual([1, 0]);
  });

  test('after 64 KiB is read to the end with --retries 0, and each reconnect is told with no wait', async () => {
    const { source, layer, retries } = await lab.openLayer({ retries: 0 });
    const seen = lab.script(() => ({ cutAt: PROGRESS_BYTES }));
    expect((await readAll(source, layer)).equals(await lab.bytesOf(layer))).toBe(true);
    expect(seen).toHaveLength(Math.ceil(LAYER_BYTES / PROGRESS_BYTES));
    expect(retries).toHaveLength(seen.length - 1);
    expect(retries.every(({ waitMs, attempt }) => waitMs === 0 && attempt === 1)).toBe(true);
  });

  test('real progress gives back the tries that were used', async () => {
    const { source, layer } = await lab.openLayer({ retries: 1 });
    const seen = lab.script((at) => (at < 8 ? { cutAt: at % 2 === 0 ? 0 : 200_000 } : undefined));
    expect((await readAll(source, layer)).equals(await lab.bytesOf(layer))).toBe(true);
    expect(seen).toHaveLength(9);
  });

  test('is given up after 100 reconnects and one for each 64 KiB, whatever the progress', async () => {
    const budget = new ReconnectBudget({ what: 'blob', policy: { retries: 4 }, signal }, 5 * 64 * 1024);
    const cut = new ClipctlError('NETWORK', 'cut');
    for (let count = 0; count < 105; count++) await budget.broken(cut, PROGRESS_BYTES);
    const last = budget.broken(cut, PROGRESS_BYTES);
    await expect(last).rejects.toMatchObject({ code: 'NETWORK', retryable: false, details: { reconnects: 106 } });
  });
});

describe('a server that stalls after some bytes, with --retries 0', () => {
  test.each([1, 50_000])('%i: TIMEOUT at once', async (stallAt) => {
    const { source, layer } = await lab.openLayer({ retries: 0, timeoutMs: 150 });
    const seen = lab.script(() => ({ stallAt }));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(seen).toHaveLength(1);
  });

  test('100 000: left once for it, then TIMEOUT when nothing more comes', async () => {
    const { source, layer } = await lab.openLayer({ retries: 0, timeoutMs: 150 });
    const seen = lab.script((at) => ({ stallAt: at === 0 ? 100_000 : 0 }));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(seen).toHaveLength(2);
  });
});

describe('a 206 with a shorter range than was asked', () => {
  test('is taken, and the rest asked for; it is no retry', async () => {
    const { source, layer, retries } = await lab.openLayer({ retries: 0 });
    const seen = lab.script(() => ({ maxRangeBytes: 500_000 }));
    const bytes = await readAll(source, layer, { start: 100, end: 1_200_100 });
    expect(bytes.equals((await lab.bytesOf(layer)).subarray(100, 1_200_100))).toBe(true);
    const ranges = seen.map(({ headers }) => headers['range']);
    expect(ranges).toEqual(['bytes=100-1200099', 'bytes=500100-1200099', 'bytes=1000100-1200099']);
    expect(retries).toEqual([]);
  });

  test('after a cut of the whole blob is taken as well', async () => {
    const { source, layer } = await lab.openLayer({ retries: 0 });
    lab.script((at) => (at === 0 ? { cutAt: 700_000 } : { maxRangeBytes: 1_000_000 }));
    expect((await readAll(source, layer)).equals(await lab.bytesOf(layer))).toBe(true);
  });

  test('that is one byte each time is REGISTRY_ERROR when the tries are used up', async () => {
    const { source, layer } = await lab.openLayer({ retries: 2 });
    const seen = lab.script(() => ({ maxRangeBytes: 1 }));
    await expect(readAll(source, layer, { start: 0, end: 1000 })).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
    expect(seen).toHaveLength(3);
  });
});

describe('a server that answers a part with the whole blob', () => {
  test('is refused at once when the part begins after the first MiB', async () => {
    const { source, layer } = await lab.openLayer();
    const seen = lab.script(() => ({ ignoreRange: true }));
    const opening = source.openBlob(layer, { signal, range: { start: 2_000_000, end: 2_100_000 } });
    await expect(opening).rejects.toMatchObject({ code: 'REGISTRY_ERROR', retryable: false });
    expect(seen).toHaveLength(1);
  });

  test('is read from when the part begins before', async () => {
    const { source, layer } = await lab.openLayer();
    lab.script(() => ({ ignoreRange: true }));
    const bytes = await readAll(source, layer, { start: 900_000, end: 950_000 });
    expect(bytes.equals((await lab.bytesOf(layer)).subarray(900_000, 950_000))).toBe(true);
  });

  test('is read from after a cut beyond the first MiB when the whole blob was wanted', async () => {
    const { source, layer } = await lab.openLayer();
    lab.script((at) => (at === 0 ? { cutAt: 2_000_000 } : { ignoreRange: true }));
    expect((await readAll(source, layer)).equals(await lab.bytesOf(layer))).toBe(true);
  });
});
