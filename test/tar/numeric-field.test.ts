import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDecimal } from '../../src/lib/tar/decimal.ts';
import { parseNumeric } from '../../src/lib/tar/numeric-field.ts';
import { base256 } from './tar-bytes.ts';

function numeric(field: Buffer | string): number {
  const bytes = typeof field === 'string' ? Buffer.from(field, 'latin1') : field;
  return parseNumeric(bytes, 0, bytes.length);
}

/** What an exact int64 must become here. */
function expected(value: bigint): number {
  if (value >= 2n ** 63n || value < -(2n ** 63n)) return NaN;
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) return Infinity;
  return value < BigInt(Number.MIN_SAFE_INTEGER) ? -Infinity : Number(value);
}

const anyInt = fc.oneof(
  fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n }),
  fc.integer().map(BigInt),
  fc
    .integer({ min: 0, max: 64 })
    .chain((bits) => fc.integer({ min: -2, max: 2 }).map((near) => 2n ** BigInt(bits) + BigInt(near))),
);

describe('a numeric field', () => {
  it('in base-256 is the exact number, an infinity beyond 2^53, or no number beyond int64', () => {
    fc.assert(
      fc.property(anyInt, (value) => {
        expect(numeric(base256(value, 12))).toBe(expected(value));
        expect(numeric(base256(-value - 1n, 12))).toBe(expected(-value - 1n));
      }),
      { numRuns: 1000 },
    );
  });

  it('in octal is what was written, with NULs or spaces around it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8 ** 7 - 1 }),
        fc.stringMatching(/^[ \0]{0,4}$/),
        fc.stringMatching(/^[ \0]{0,4}$/),
        (value, before, after) => {
          expect(numeric(`${before}${value.toString(8)}${after}`)).toBe(value);
        },
      ),
    );
  });

  it('ignores what follows a NUL behind the digits, but not behind a space', () => {
    expect(numeric('12\0xx')).toBe(0o12);
    expect(numeric('12 \0x')).toBeNaN();
    expect(numeric('1 2')).toBeNaN();
    expect(numeric('9')).toBeNaN();
    expect(numeric('-1')).toBeNaN();
    expect(numeric('\0\0  ')).toBe(0);
  });
});

describe('a decimal', () => {
  it('is the exact number, an infinity beyond 2^53, or no number beyond int64', () => {
    fc.assert(
      fc.property(anyInt, fc.integer({ min: 0, max: 30 }), (value, zeros) => {
        const digits = (value < 0n ? -value : value).toString();
        const text = `${value < 0n ? '-' : ''}${'0'.repeat(zeros)}${digits}`;
        expect(parseDecimal(text)).toBe(expected(value));
      }),
      { numRuns: 1000 },
    );
  });

  it('has a sign and digits, nothing else', () => {
    expect(parseDecimal('+7')).toBe(7);
    expect(parseDecimal('-0')).toBe(0);
    for (const text of ['', '+', '-', '1 ', ' 1', '1.0', '0x1', '1e3', '1_0', '--1']) expect(parseDecimal(text), text).toBeNaN();
  });

  it('of a million digits is refused at once', () => {
    expect(parseDecimal('9'.repeat(1 << 20))).toBeNaN();
    expect(parseDecimal(`${'0'.repeat(1 << 20)}9007199254740993`)).toBe(Infinity);
  });
});
