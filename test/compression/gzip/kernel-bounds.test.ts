/** No input makes the kernel read or write outside of its buffers: assembly/layout.ts. */
import { expect, test } from 'vitest';
import { HISTORY_BYTES } from '../../../src/lib/compression/gzip/inflate-kernel.ts';
import { caseOf, kernel, KEPT_SEEDS, kernelVerdict } from './kernel-fuzz.ts';
import { randomOf } from './build-deflate.ts';

const CASES = 1000;

/** Of the memory: first byte, byte behind the last. */
type Stretch = readonly [start: number, end: number];

/** Nothing may ever be written here. The tables end where zlib's enough.c says that they must. */
const UNUSED: readonly Stretch[] = [
  [0x2000 + 2342 * 4, 0x5000],
  [0x5000 + 592 * 8, kernel.inputAt],
  [kernel.inputAt + kernel.inputBytes, kernel.outputAt - HISTORY_BYTES],
  [kernel.outputAt + kernel.outputBytes, kernel.memory.length],
];
/** What was never given to the kernel as input or history may not change a verdict. */
const INPUT: Stretch = [kernel.inputAt, kernel.inputAt + kernel.inputBytes];
const OUTPUT: Stretch = [kernel.outputAt - HISTORY_BYTES, kernel.outputAt + kernel.outputBytes];

function fill(stretches: readonly Stretch[], value: number): void {
  for (const [start, end] of stretches) kernel.memory.fill(value, start, end);
}

function isFilled([start, end]: Stretch, value: number): boolean {
  const bytes = Buffer.from(kernel.memory.buffer, start, end - start);
  return bytes.equals(Buffer.alloc(end - start, value));
}

/** Most start where the end of the area is near: what is written too much lies behind it. */
function skippedBytesOf(seed: number): number {
  const distance = randomOf(~seed)(2000);
  return seed % 4 === 0 ? 0 : kernel.outputBytes - 512 - 1 - distance;
}

function verdictOf(seed: number, value: number): string {
  fill([...UNUSED, INPUT, OUTPUT], value);
  const { deflated, pieces } = caseOf(seed);
  const skippedBytes = skippedBytesOf(seed);
  const { end, output } = kernelVerdict(deflated, pieces, skippedBytes);
  const written = UNUSED.filter((stretch) => !isFilled(stretch, value)).map(([start]) => start.toString(16));
  expect(written, `seed ${seed} writes behind`).toEqual([]);
  return `${end} ${output.toString('base64')}`;
}

test(
  `${CASES} streams of random structure leave alone what is not theirs, and depend on nothing else`,
  { timeout: 120_000 },
  () => {
    const seeds = [...KEPT_SEEDS, ...Array.from({ length: CASES }, (_, at) => 500_000 + at)];
    for (const seed of seeds) expect(verdictOf(seed, 0x00) === verdictOf(seed, 0xff), `seed ${seed}`).toBe(true);
  },
);
