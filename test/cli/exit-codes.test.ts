import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { ERROR_CODES } from '../../src/lib/errors.ts';

const errors = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const exitCodes = readFileSync(new URL('../../docs/exit-codes.md', import.meta.url), 'utf8');

/** `code → cells` of the table in docs/errors.md. */
const rows = new Map(
  [...errors.matchAll(/^\| `([A-Z_]+)` *\| ([^|]+?) *\| ([^|]+?) *\| ([^|]+?) *\|$/gm)].map((match) => [
    match[1] ?? '',
    match.slice(2),
  ]),
);

describe('every error code', () => {
  it.each(ERROR_CODES.map((code) => [code] as const))(
    '%s has its exit code, its meaning and a way out in docs/errors.md',
    (code) => {
      const [exit = '', means = '', todo = ''] = rows.get(code) ?? [];
      expect(exit.split(', ').map(Number)).toContain(exitCodeOf(code));
      expect(means.length).toBeGreaterThan(10);
      expect(todo.length).toBeGreaterThan(5);
    },
  );

  it('and no other stands in docs/errors.md', () => {
    expect([...rows.keys()]).toEqual([...ERROR_CODES]);
  });

  it('has an exit code that docs/exit-codes.md explains', () => {
    const explained = new Set(exitCodes.match(/^\| [0-9, ]+\|/gm)?.flatMap((cell) => cell.match(/\d+/g) ?? []));
    for (const code of ERROR_CODES) expect(explained).toContain(String(exitCodeOf(code)));
  });
});

describe('exit codes', () => {
  it.each([
    ['INTERNAL', 1],
    ['USAGE', 2],
    ['CONFIG_INVALID', 2],
    ['PARTIAL_FAILURE', 3],
    ['IMAGE_NOT_FOUND', 4],
    ['UNAUTHORIZED', 5],
    ['RATE_LIMITED', 6],
    ['DIGEST_MISMATCH', 7],
    ['STORAGE_FULL', 8],
    ['FOREIGN_LAYER', 9],
    ['OFFLINE_MISS', 10],
    ['REMOTE_FAILED', 11],
    ['ABORTED', 130],
  ] as const)('%s ends with %d', (code, exit) => {
    expect(exitCodeOf(code)).toBe(exit);
  });
});
