import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InflateKernel, NEVER } from '../../src/lib/compression/gzip/inflate-kernel.ts';
import { kernelModule } from '../../src/lib/compression/gzip/kernel-module.ts';
import { MAX_WINDOW_BYTES, packWindow, unpackWindow, WINDOW_CODEC } from '../../src/lib/compression/window-codec.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { mixedBytes } from './gzip/content.ts';
import { sampleBytes } from './tools.ts';

const kernel = new InflateKernel(kernelModule()!);

function deflate(window: Uint8Array): Uint8Array {
  kernel.memory.set(window, kernel.outputAt);
  kernel.keepWindow(kernel.outputAt, kernel.outputAt + window.length);
  return kernel.packWindow({ isWhole: true }).deflated;
}

/**
 * Has the kernel decode matches that reach runs of the window, as a stream behind a checkpoint would: fixed codes, each
 * match 258 bytes or fewer. @returns which bytes they reach
 */
function markRuns(window: Uint8Array, runs: readonly (readonly [number, number])[]): Uint8Array {
  const isReached = new Uint8Array(window.length);
  const { memory, inputAt, outputAt } = kernel;
  memory.set(window, outputAt - window.length);
  kernel.keepWindow(outputAt - window.length, outputAt);
  const bits = new BitWriter();
  bits.add(3, 3);
  let out = 0;
  for (const [start, length] of runs) {
    const distance = window.length - start + out;
    if (distance > MAX_WINDOW_BYTES) continue;
    const reached = Math.min(length, 258);
    if (reached < 3) continue;
    bits.addMatch(reached, distance);
    isReached.fill(1, start, Math.min(window.length, start + reached));
    out += reached;
  }
  bits.add(0, 7 + 64);
  memory.set(bits.bytes, inputAt);
  kernel.reset();
  kernel.run(inputAt * 8, outputAt, {
    inEnd: inputAt + bits.bytes.length,
    outEnd: outputAt + kernel.outputBytes - 512,
    checkpointAt: NEVER,
    insideAt: NEVER,
    windowStart: outputAt - window.length,
    keptEnd: outputAt,
  });
  expect(kernel.out).toBe(outputAt + out);
  return isReached;
}

/** Bits from the low end; the fixed codes of RFC 1951 §3.2.6 from the high one. */
class BitWriter {
  readonly #bits: number[] = [];

  get bytes(): Uint8Array {
    return Uint8Array.from({ length: Math.ceil(this.#bits.length / 8) }, (_, at) =>
      this.#bits.slice(at * 8, at * 8 + 8).reduce((byte, bit, place) => byte | (bit << place), 0),
    );
  }

  add(value: number, count: number): void {
    for (let bit = 0; bit < count; bit++) this.#bits.push(bit < 32 ? (value >> bit) & 1 : 0);
  }

  addMatch(length: number, distance: number): void {
    const lengthIndex = LENGTHS.findLastIndex(([base]) => base <= length);
    const [lengthBase, lengthExtra] = LENGTHS[lengthIndex]!;
    const symbol = 257 + lengthIndex;
    this.#addCode(symbol < 280 ? symbol - 256 : 0xc0 + symbol - 280, symbol < 280 ? 7 : 8);
    this.add(length - lengthBase, lengthExtra);
    const distanceIndex = DISTANCES.findLastIndex(([base]) => base <= distance);
    const [distanceBase, distanceExtra] = DISTANCES[distanceIndex]!;
    this.#addCode(distanceIndex, 5);
    this.add(distance - distanceBase, distanceExtra);
  }

  #addCode(code: number, length: number): void {
    for (let bit = length - 1; bit >= 0; bit--) this.#bits.push((code >> bit) & 1);
  }
}

/** RFC 1951 §3.2.5: bases and extra bits. */
const LENGTHS = [...basesOf(3, 28, 2), [258, 0] as const];
const DISTANCES = basesOf(1, 30, 1);

function basesOf(first: number, count: number, stepBits: number): (readonly [number, number])[] {
  let base = first;
  return Array.from({ length: count }, (_, index) => {
    const extra = Math.max(0, (index >> stepBits) - 1);
    base += 1 << extra;
    return [base - (1 << extra), extra] as const;
  });
}

function failureOf(packed: Uint8Array): string {
  try {
    unpackWindow(packed);
    return 'none';
  } catch (error) {
    return errorCodeOf(error);
  }
}

describe('a packed window', () => {
  const windows = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.tuple(fc.integer({ min: 0, max: MAX_WINDOW_BYTES }), fc.nat(10_000)).map(([length, seed]) => mixedBytes(length, seed)),
    fc
      .tuple(fc.integer({ min: 1, max: MAX_WINDOW_BYTES }), fc.nat(255))
      .map(([length, byte]) => new Uint8Array(length).fill(byte)),
  );

  test('comes back, with its block header or without, and is raw DEFLATE to anybody', () => {
    const headers = fc.option(fc.uint8Array({ minLength: 1, maxLength: 564 }), { nil: undefined });
    fc.assert(
      fc.property(windows, headers, fc.boolean(), (window, blockHeader, isDeflated) => {
        const deflated = deflate(window);
        expect(Buffer.compare(inflateRawSync(deflated), window)).toBe(0);
        const state = blockHeader === undefined ? { window } : { window, blockHeader };
        const back = unpackWindow(packWindow(state, isDeflated ? deflated : undefined));
        expect(Buffer.compare(back.window, window)).toBe(0);
        expect(back.blockHeader).toEqual(blockHeader);
      }),
      { numRuns: 400 },
    );
  });

  test('keeps what is marked, wherever that is, and is no longer than from the first mark on', () => {
    const runs = fc.array(fc.tuple(fc.nat(MAX_WINDOW_BYTES - 1), fc.integer({ min: 1, max: 600 })), { maxLength: 60 });
    fc.assert(
      fc.property(fc.nat(1000), runs, (seed, marked) => {
        const window = mixedBytes(MAX_WINDOW_BYTES, seed);
        const isKept = markRuns(window, marked);
        const { window: trimmed, deflated } = kernel.packWindow({ isWhole: false });
        const back = inflateRawSync(deflated);
        expect(Buffer.compare(back, trimmed)).toBe(0);
        expect(back.length).toBe(isKept.includes(1) ? MAX_WINDOW_BYTES - isKept.indexOf(1) : 0);
        const whole = Buffer.concat([new Uint8Array(MAX_WINDOW_BYTES - back.length), back]);
        expect(window.every((byte, at) => isKept[at] === 0 || whole[at] === byte)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  test('of text and of programs is less than half as large; of noise it is kept as it is', () => {
    const text = sampleBytes(MAX_WINDOW_BYTES).map((byte) => 97 + (byte % 16));
    expect(packWindow({ window: text }, deflate(text)).length).toBeLessThan(MAX_WINDOW_BYTES / 2);
    const noise = createHash('shake256', { outputLength: MAX_WINDOW_BYTES }).update('noise').digest();
    const packed = packWindow({ window: noise }, deflate(noise));
    expect(packed[0]).toBe(WINDOW_CODEC.plain);
    expect(packed.length).toBe(MAX_WINDOW_BYTES + 1);
  });

  test('has the same bytes on every machine', () => {
    const window = mixedBytes(MAX_WINDOW_BYTES, 42);
    expect(createHash('sha256').update(deflate(window)).digest('hex')).toBe(
      'ad46e0332869824727f99f61e44a98b2e681ee08eb4fb3c7db77690389470ac9',
    );
  });

  test.each([
    ['of an unknown codec', Uint8Array.of(2, 1, 2, 3)],
    ['that is no DEFLATE', Uint8Array.of(WINDOW_CODEC.deflateRaw, 7, 7, 7)],
    ['that is cut', packWindow({ window: new Uint8Array(9000) }, deflate(new Uint8Array(9000))).subarray(0, 8)],
    ['with a cut block header', Uint8Array.of(0x80, 9, 0, 1, 2)],
    ['with the length of a block header cut', Uint8Array.of(0x80, 9)],
    ['with a block header that is too long', new Uint8Array(2000).fill(0x80, 0, 1).fill(3, 1, 3)],
    ['of more than 32 KiB', new Uint8Array(MAX_WINDOW_BYTES + 2)],
    [
      'of more than 32 KiB, deflated',
      Buffer.concat([Uint8Array.of(WINDOW_CODEC.deflateRaw), deflate(new Uint8Array(MAX_WINDOW_BYTES + 1))]),
    ],
  ])('%s is refused with CLIP_INVALID', (_name, packed) => {
    expect(failureOf(packed)).toBe('CLIP_INVALID');
  });
});
