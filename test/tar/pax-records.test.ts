import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePaxRecords, parsePaxTime } from '../../src/lib/tar/pax-records.ts';
import { refusalOf } from './refusal.ts';
import { paxRecord } from './tar-bytes.ts';

const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array).toString('latin1'));
const xattrKey = fc.stringMatching(/^[a-z.]{1,20}$/).map((key) => `SCHILY.xattr.${key}`);

describe('PAX records', () => {
  it('come back byte for byte, the last of a repeated key counting', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(xattrKey, bytes)), (records) => {
        const content = records.map(([key, value]) => paxRecord(key, value)).join('');
        expect([...parsePaxRecords(Buffer.from(content, 'latin1'))]).toEqual([...new Map(records)]);
      }),
    );
  });

  it('of keys that change no entry are not kept', () => {
    expect(parsePaxRecords(Buffer.from(paxRecord('comment', 'x') + paxRecord('path', 'p'))).size).toBe(1);
  });

  it('cut anywhere inside a record are refused', () => {
    const content = paxRecord('path', 'some/name') + paxRecord('mtime', '1.5');
    const border = paxRecord('path', 'some/name').length;
    for (let length = 1; length < content.length; length++) {
      if (length === border) continue;
      expect(refusalOf(() => parsePaxRecords(Buffer.from(content.slice(0, length))))).toEqual(['TAR_INVALID', 'pax-record']);
    }
  });

  it('never read or throw anything else on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (content) => {
        const refusal = refusalOf(() => parsePaxRecords(Buffer.from(content)));
        expect(['pax-record', undefined]).toContain(refusal?.[1]);
      }),
    );
  });
});

describe('a PAX time', () => {
  it('has the sign over both parts and is cut to nanoseconds', () => {
    expect(parsePaxTime('1.5')).toEqual({ seconds: 1, nanoseconds: 500_000_000 });
    expect(parsePaxTime('-1.5')).toEqual({ seconds: -2, nanoseconds: 500_000_000 });
    expect(parsePaxTime('-0.25')).toEqual({ seconds: -1, nanoseconds: 750_000_000 });
    expect(parsePaxTime('7.1234567899')).toEqual({ seconds: 7, nanoseconds: 123_456_789 });
    expect(parsePaxTime('7.')).toEqual({ seconds: 7, nanoseconds: 0 });
  });

  it('is none without seconds or with anything but digits', () => {
    for (const text of ['', '.5', '1.x', '1.5.5', 'x', '1,5']) expect(parsePaxTime(text), text).toBeUndefined();
  });
});
