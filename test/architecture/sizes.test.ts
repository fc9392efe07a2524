import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { lineOf, readSources, walk } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

const MAX_FILE_LINES = 300;
const MAX_FUNCTION_LINES = 50;
const MAX_COMMAND_LINES = 90;

const product = readSources('src', 'demo', 'scripts', 'bench');
const everything = [...product, ...readSources('test')];

function linesOf(file: SourceFile): number {
  return file.text.split('\n').length - 1;
}

function longFunctions(file: SourceFile): string[] {
  const found: string[] = [];
  walk(file.syntax, (node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return;
    const lines = file.syntax.getLineAndCharacterOfPosition(node.end).line + 2 - lineOf(file, node);
    if (lines > MAX_FUNCTION_LINES) found.push(`${file.path}:${lineOf(file, node)} has ${lines} lines`);
  });
  return found;
}

describe('sizes', () => {
  it('has files to look at', () => {
    expect(product.length).toBeGreaterThan(50);
  });

  it(`keeps every file within ${MAX_FILE_LINES} lines`, () => {
    const long = everything.filter((file) => linesOf(file) > MAX_FILE_LINES);
    expect(long.map((file) => `${file.path} has ${linesOf(file)} lines`)).toEqual([]);
  });

  it(`keeps every function within ${MAX_FUNCTION_LINES} lines`, () => {
    expect(product.flatMap(longFunctions)).toEqual([]);
  });

  it(`keeps every command within ${MAX_COMMAND_LINES} lines`, () => {
    const commands = product.filter((file) => file.path.startsWith('src/commands/'));
    expect(commands.length).toBeGreaterThan(0);
    const long = commands.filter((file) => linesOf(file) > MAX_COMMAND_LINES);
    expect(long.map((file) => `${file.path} has ${linesOf(file)} lines`)).toEqual([]);
  });
});
