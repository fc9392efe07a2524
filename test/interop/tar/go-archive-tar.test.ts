import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tarCases, type TarCase } from '../../tar/cases.ts';
import { readGolden, writeGolden } from '../../tar/golden.ts';
import { agrees, goVerdict, hasUnsafeNumber, ourVerdict, recordOf, type GoListing, type Verdict } from '../../tar/verdict.ts';

describe("the scanner against Go's archive/tar", () => {
  const cases = tarCases();
  const directory = mkdtempSync(join(tmpdir(), 'clipctl-go-tar-'));
  let listings: GoListing[] = [];

  beforeAll(() => {
    const program = join(directory, 'go-lister');
    const options = { cwd: join(import.meta.dirname, 'go-lister'), env: { ...process.env, GOFLAGS: '-mod=mod', GOPROXY: 'off' } };
    execFileSync('go', ['build', '-o', program, '.'], options);
    const output = execFileSync(program, { input: framed(cases), maxBuffer: 1 << 30 });
    listings = output
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as GoListing);
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  it('lists the same entries, or both refuse; each named difference has its reason', () => {
    expect(listings.length).toBe(cases.length);
    const verdicts = new Map<string, string>();
    for (const [index, { name, tar }] of cases.entries()) {
      const listing = listings[index];
      if (listing === undefined) throw new Error(`Go said nothing about ${name}`);
      const ours = ourVerdict(tar);
      const expected = expectedVerdict(listing, ours);
      if (!agrees(ours, recordOf(expected))) expect.soft(ours, name).toEqual(expected);
      verdicts.set(name, recordOf(expected));
    }
    if (process.env.RECORD === '1') writeGolden(verdicts);
    expect(readGolden()).toEqual(verdicts);
  });
});

/**
 * What we must say given Go's listing. Named difference `unsafe-number`: a tar with a number beyond 2^53 - 1 in an entry is refused
 * (TAR_INVALID), because rounding it would be a lie; Go lists it.
 */
function expectedVerdict(listing: GoListing, ours: Verdict): Verdict {
  const theirs = goVerdict(listing);
  return theirs !== 'error' && ours === 'unsafe-number' && hasUnsafeNumber(listing) ? 'unsafe-number' : theirs;
}

function framed(cases: readonly TarCase[]): Buffer {
  return Buffer.concat(
    cases.flatMap(({ tar }) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(tar.length);
      return [length, tar];
    }),
  );
}
