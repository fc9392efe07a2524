import { describe, expect, it } from 'vitest';
import { tarCases } from './cases.ts';
import { readGolden } from './golden.ts';
import { agrees, ourVerdict } from './verdict.ts';

describe("the scanner and Go's archive/tar (recorded verdicts)", () => {
  const cases = tarCases();
  const golden = readGolden();

  it('has a recorded verdict for each case and no other', () => {
    expect(cases.length).toBeGreaterThanOrEqual(300);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
    expect(cases.map(({ name }) => name).sort()).toEqual([...golden.keys()].sort());
  });

  it('list the same entries or both refuse; numbers beyond 2^53 are the only difference', () => {
    const different = cases.filter(({ name, tar }) => !agrees(ourVerdict(tar), golden.get(name)));
    expect(different.map(({ name }) => name)).toEqual([]);
  });

  it('agree also when the tar comes in pieces of 1, 7, 511 and 513 bytes', () => {
    const small = cases.filter(({ tar }) => tar.length < 1 << 16);
    const different = small.filter(({ name, tar }) => !agrees(ourVerdict(tar, [1, 7, 511, 513]), golden.get(name)));
    expect(different.map(({ name }) => name)).toEqual([]);
  });

  it('holds enough of each verdict to mean something', () => {
    const verdicts = [...golden.values()];
    expect(verdicts.filter((verdict) => verdict === 'error').length).toBeGreaterThan(300);
    expect(verdicts.filter((verdict) => verdict === 'unsafe-number').length).toBeGreaterThan(10);
    expect(new Set(verdicts).size).toBeGreaterThan(300);
  });
});
