import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteCursor } from '../../src/lib/clip/byte-cursor.ts';
import { ByteWriter } from '../../src/lib/clip/byte-writer.ts';
import { readInt, readUint, readUint64, writeInt, writeUint, writeUint64 } from '../../src/lib/clip/gob/numbers.ts';

function hexOf(write: (out: ByteWriter) => void): string {
  const out = new ByteWriter();
  write(out);
  return Buffer.from(out.toBytes()).toString('hex');
}

function read<T>(hex: string, reader: (cursor: ByteCursor) => T): T {
  return reader(new ByteCursor(Buffer.from(hex, 'hex'), 'number', 0));
}

/** What Go 1.26 writes (the last column is the documentation of encoding/gob). */
const UINTS: readonly (readonly [bigint, string])[] = [
  [0n, '00'],
  [7n, '07'],
  [127n, '7f'],
  [128n, 'ff80'],
  [255n, 'ffff'],
  [256n, 'fe0100'],
  [65_536n, 'fd010000'],
  [2n ** 32n, 'fb0100000000'],
  [2n ** 48n, 'f901000000000000'],
  [2n ** 53n, 'f920000000000000'],
  [2n ** 56n, 'f80100000000000000'],
  [2n ** 64n - 1n, 'f8ffffffffffffffff'],
];

const INTS: readonly (readonly [number, string])[] = [
  [0, '00'],
  [-1, '01'],
  [1, '02'],
  [-129, 'fe0101'],
  [63, '7e'],
  [-64, '7f'],
  [64, 'ff80'],
  [Number.MAX_SAFE_INTEGER, 'f93ffffffffffffe'],
  [Number.MIN_SAFE_INTEGER, 'f93ffffffffffffd'],
];

describe('numbers in a gob', () => {
  it.each(UINTS)('%s is %s', (value, hex) => {
    expect(hexOf((out) => writeUint64(out, value))).toBe(hex);
    expect(read(hex, readUint64)).toBe(value);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) return;
    expect(hexOf((out) => writeUint(out, Number(value)))).toBe(hex);
    expect(read(hex, readUint)).toBe(Number(value));
  });

  it.each(INTS)('%s is %s as an int', (value, hex) => {
    expect(hexOf((out) => writeInt(out, value))).toBe(hex);
    expect(read(hex, readInt)).toBe(value);
  });

  it('come back as they were written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.maxSafeInteger(), (wide, int) => {
        expect(
          read(
            hexOf((out) => writeUint64(out, wide)),
            readUint64,
          ),
        ).toBe(wide);
        expect(
          read(
            hexOf((out) => writeInt(out, int)),
            readInt,
          ),
        ).toBe(int);
      }),
      { numRuns: 2000 },
    );
  });

  it('may be longer than they need to be, as Go allows', () => {
    expect(read('f80000000000000005', readUint)).toBe(5);
    expect(read('ff05', readUint)).toBe(5);
  });

  it.each(['80', 'f7000000000000000001', 'ff', 'fe01', 'f8ffff', ''])('are refused when they are %j', (hex) => {
    expect(() => read(hex, readUint)).toThrow(/number/);
    expect(() => read(hex, readInt)).toThrow(/number/);
  });

  it('are refused above 2^53 where a number has to do', () => {
    expect(() => read('f920000000000000', readUint)).toThrow('2^53');
    expect(() => read('f8ffffffffffffffff', readInt)).toThrow('2^53');
  });
});
