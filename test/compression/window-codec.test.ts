import { createHash } from 'node:crypto';
import { inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InflateKernel } from '../../src/lib/compression/gzip/inflate-kernel.ts';
import { kernelModule } from '../../src/lib/compression/gzip/kernel-module.ts';
import { MAX_WINDOW_BYTES, packWindow, unpackWindow, WINDOW_CODEC } from '../../src/lib/compression/window-codec.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { mixedBytes } from './gzip/content.ts';
import { sampleBytes } from './tools.ts';

const kernel = new InflateKernel(kernelModule()!);

function deflate(window: Uint8Array): Uint8Array {
  kernel.memory.set(window, kernel.outputAt);
  return kernel.packWindow(kernel.outputAt, kernel.outputAt + window.length);
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
    fc.integer({ min: 1, max: 40 }).map((steep) => fibonacciBytes(steep)),
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
      'df93b84583e829947b0e597191aa02c8b42fafa8c65a9f659a5f49dbc77cd921',
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

/** Counts like Fibonacci's numbers make the deepest Huffman trees: codes have to be limited to 15 bits. */
function fibonacciBytes(steep: number): Uint8Array {
  const bytes: number[] = [];
  let [count, next] = [1, 1];
  for (let symbol = 0; symbol < steep && bytes.length + count <= MAX_WINDOW_BYTES; symbol++) {
    for (let left = count; left > 0; left--) bytes.push(symbol * 7);
    [count, next] = [next, count + next];
  }
  // Shuffled, or they were one run each.
  for (let at = bytes.length - 1; at > 0; at--) {
    const other = Math.imul(at, 2654435761) % (at + 1);
    const from = Math.abs(other);
    [bytes[at], bytes[from]] = [bytes[from]!, bytes[at]!];
  }
  return Uint8Array.from(bytes);
}
