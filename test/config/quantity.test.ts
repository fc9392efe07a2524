import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDurationMs, parseSizeBytes } from '../../src/lib/quantity.ts';

describe('a size', () => {
  it.each([
    ['0', 0],
    ['512', 512],
    ['512B', 512],
    ['1K', 1024],
    ['1KiB', 1024],
    ['1KB', 1000],
    ['10MiB', 10 * 1024 ** 2],
    ['10M', 10 * 1024 ** 2],
    ['10MB', 10_000_000],
    ['10GiB', 10 * 1024 ** 3],
    ['10G', 10 * 1024 ** 3],
    ['10GB', 10_000_000_000],
    ['2T', 2 * 1024 ** 4],
    ['1.5GiB', 1.5 * 1024 ** 3],
    ['10 gib', 10 * 1024 ** 3],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSizeBytes(text)).toBe(bytes);
  });

  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '1e9',
    '0x10',
    '10iB',
    '10XB',
    '10MiBs',
    'MiB',
    '1.2.3K',
    '1,5G',
    '9007199254740993',
    '999999T',
    'NaN',
  ])('%j is none', (text) => {
    expect(parseSizeBytes(text)).toBeUndefined();
  });

  it('is a safe integer or nothing, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const bytes = parseSizeBytes(text);
        expect(bytes === undefined || (Number.isSafeInteger(bytes) && bytes >= 0)).toBe(true);
      }),
    );
  });
});

describe('a duration', () => {
  it.each([
    ['500ms', 500],
    ['30s', 30_000],
    ['30', 30_000],
    ['2m', 120_000],
    ['1.5h', 5_400_000],
    ['0', 0],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDurationMs(text)).toBe(milliseconds);
  });

  it.each(['', 's', '-1s', '1d', '1m30s', '1e3', '600h'])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });
});
