import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseImageTime } from '../../src/lib/layer-index/image-time.ts';

describe('parseImageTime', () => {
  it('agrees with Date on every instant of four-digit years', () => {
    const instant = fc.date({
      min: new Date('0002-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(instant, (date) => {
        const time = parseImageTime(date.toISOString());
        expect((time?.seconds ?? Number.NaN) * 1000 + (time?.nanoseconds ?? 0) / 1e6).toBe(date.getTime());
      }),
    );
  });

  it.each([
    ['1969-12-31T23:59:59.25Z', { seconds: -1, nanoseconds: 250_000_000, zoneMinutes: undefined }],
    ['1970-01-01T00:00:00.123456789123Z', { seconds: 0, nanoseconds: 123_456_789, zoneMinutes: undefined }],
    ['1970-01-01T00:00:00-05:30', { seconds: 19_800, nanoseconds: 0, zoneMinutes: -330 }],
    ['1970-01-01t00:00:00z', { seconds: 0, nanoseconds: 0, zoneMinutes: undefined }],
  ])('reads %s', (text, time) => {
    expect(parseImageTime(text)).toEqual(time);
  });

  it.each([
    '',
    '1970-01-01',
    '1970-02-30T00:00:00Z',
    '1970-13-01T00:00:00Z',
    '1970-01-01T24:00:00Z',
    `1970-01-01T00:00:00.${'0'.repeat(99)}Z`,
  ])('does not take %j for a time', (text) => {
    expect(parseImageTime(text)).toBeUndefined();
  });
});
