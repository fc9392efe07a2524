import { basename } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readSources } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

const product = readSources('src', 'demo', 'scripts', 'bench');
const everything = [...product, ...readSources('test')].filter((file) => !file.path.startsWith('test/architecture/'));

function find(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.text.split('\n').flatMap((line, at) => (pattern.test(line) ? [`${file.path}:${at + 1}: ${line.trim()}`] : [])),
  );
}

describe('words', () => {
  it('names no file after a drawer', () => {
    const drawers = everything.filter((file) => /\b(utils?|helpers?|common|manager|misc|stuff)\b/.test(file.path));
    expect(drawers.map((file) => file.path)).toEqual([]);
  });

  it('names files in lower case with hyphens', () => {
    expect(everything.map((file) => basename(file.path)).filter((name) => !/^[a-z0-9.-]+$/.test(name))).toEqual([]);
  });

  it('declares nothing as a Manager, Helper or Util', () => {
    expect(find(product, /\b(class|interface|type|function|const)\s+\w*(Manager|Helper|Util)s?\b/)).toEqual([]);
  });

  it("says decompressedHash only where Go CLIP's file does", () => {
    const outside = product.filter((file) => !file.path.startsWith('src/lib/clip/'));
    expect(find(outside, /decompressedHash\b/)).toEqual([]);
  });

  it('never exits in the middle of something', () => {
    expect(find(product, /process\.(exit|abort|reallyExit)\(/)).toEqual([]);
  });

  it('leaves no note of unfinished work and switches no check off', () => {
    expect(find(everything, /\b(TODO|FIXME|XXX)\b|@ts-(ignore|nocheck|expect-error)|\.only\(/)).toEqual([]);
  });

  it('writes to the console in no part of the library', () => {
    const library = product.filter((file) => file.path.startsWith('src/lib/'));
    expect(find(library, /\bconsole\.|process\.(stdout|stderr)\b/)).toEqual([]);
  });

  it('knows no path of the machine it was written on', () => {
    expect(find(everything, /['"`](\/work\/|\/root\/|\/home\/[a-z])/)).toEqual([]);
  });
});
