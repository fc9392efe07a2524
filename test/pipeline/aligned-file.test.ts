import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AlignedFile } from '../../src/lib/pipeline/aligned-file.ts';
import { seededContent } from '../cache/seeded-content.ts';

const PIECE = 64 * 1024;
const content = Buffer.from(seededContent(11, 700_000).slice(0, 700_000));

let home: string;
let path: string;
beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), 'clipctl-aligned-'));
  path = join(home, 'layer');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

/** Writes `pieces` of the content from `start` on, out of memory that threads share; says where the file ended after each. */
function write(start: number, lengths: readonly number[]): number[] {
  writeFileSync(path, content.subarray(0, start));
  const fd = openSync(path, 'r+');
  const file = new AlignedFile(fd, start);
  const shared = new Uint8Array(new SharedArrayBuffer(content.length));
  shared.set(content);
  const sizes: number[] = [];
  let at = start;
  for (const length of lengths) {
    file.write(shared.subarray(at, at + length));
    at = Math.min(content.length, at + length);
    expect(file.offset).toBe(statSync(path).size);
    sizes.push(file.offset);
  }
  file.drain();
  expect(file.offset).toBe(at);
  closeSync(fd);
  expect(readFileSync(path).equals(content.subarray(0, at))).toBe(true);
  return sizes;
}

describe('a file that is written in pieces', () => {
  it('has the same bytes however they come, from wherever it is gone on with', () => {
    const lengths = fc.array(fc.oneof(fc.nat(10), fc.nat(3 * PIECE), fc.constant(PIECE)), { maxLength: 12 });
    fc.assert(fc.property(fc.nat(2 * PIECE), lengths, (start, given) => void write(start, given)));
  });

  it('ends at a multiple of 64 KiB until it is drained, and less than that waits', () => {
    expect(write(5, [10, PIECE - 16, 1, PIECE + 7, 3 * PIECE])).toEqual([5, 5, PIECE, 2 * PIECE, 5 * PIECE]);
  });
});
