import { afterEach, expect, it } from 'vitest';
import { overrideKernel } from '../../src/lib/compression/gzip/kernel-check.ts';
import { runsWorthTaking } from '../../src/lib/pipeline/ingest-spans.ts';
import type { LayerMap } from '../../src/lib/pipeline/span-plan.ts';

const MIB = 1024 * 1024;
const window = new Uint8Array(1);
const gzip: LayerMap = {
  compression: 'gzip',
  compressedBytes: 40 * MIB,
  uncompressedBytes: 120 * MIB,
  checkpoints: [0, 1, 2, 3].map((at) => ({ compressedOffset: at * 10 * MIB, bit: 0, uncompressedOffset: at * 30 * MIB, window })),
  zstdFrames: [],
};
const plain: LayerMap = { ...gzip, compression: 'none', uncompressedBytes: 40 * MIB, checkpoints: [] };

let restore = (): void => undefined;
afterEach(() => restore());

it('a layer with checkpoints is cut for two workers, not for one', () => {
  expect(runsWorthTaking(gzip, 2)).toHaveLength(4);
  expect(runsWorthTaking(gzip, 1)).toBeUndefined();
});

it('a small layer is taken in one stream', () => {
  expect(runsWorthTaking({ ...plain, compressedBytes: MIB, uncompressedBytes: MIB }, 2)).toBeUndefined();
});

it('where the inflate kernel does not run, gzip is taken in one stream and plain layers are still cut', () => {
  restore = overrideKernel(undefined);
  expect(runsWorthTaking(gzip, 2)).toBeUndefined();
  expect(runsWorthTaking(plain, 2)?.length).toBeGreaterThan(1);
});
