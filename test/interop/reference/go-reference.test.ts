/** RELIABILITY §1.3 row 30: our reader of references beside the distribution project's own (github.com/distribution/reference). */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ClipctlError } from '../../../src/lib/errors.ts';
import { formatReference, parseReference } from '../../../src/lib/oci/reference.ts';

const STRINGS = 100_000;
const directory = mkdtempSync(join(tmpdir(), 'clipctl-go-reference-'));
const program = join(directory, 'go-reference');

beforeAll(() => {
  const env = { ...process.env, GOFLAGS: '-mod=readonly' };
  execFileSync('go', ['build', '-o', program, '.'], { cwd: join(import.meta.dirname, 'go-reference'), env });
});
afterAll(() => rmSync(directory, { recursive: true }));

/** The whole name with its defaults; null where Go refuses. */
function theirs(texts: readonly string[]): readonly (string | null)[] {
  const output = execFileSync(program, { input: JSON.stringify(texts), maxBuffer: 1 << 30 });
  return JSON.parse(output.toString()) as (string | null)[];
}

function ours(text: string): string | null {
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    if (error instanceof ClipctlError) return null;
    throw error;
  }
}

const hostOf = (name: string): string => name.slice(0, name.indexOf('/'));
const hasLongLabel = (host: string): boolean => host.split('.').some((label) => label.replace(/:\d+$/, '').length > 63);

/** What Go takes and we refuse, with a text that shows it. Nothing that Go refuses is taken. */
const REFUSED_ON_PURPOSE = [
  {
    reason: 'no server has such a port: Go would fail at the connection',
    is: (name: string) => {
      const port = /:(\d+)$/.exec(hostOf(name))?.[1];
      return port !== undefined && (port.length > 5 || Number(port) < 1 || Number(port) > 65_535);
    },
    example: 'r.io:0/a',
  },
  {
    reason: 'the brackets hold no IPv6 address: Go would fail at the connection',
    is: (name: string) => name.startsWith('[') && !URL.canParse(`http://${hostOf(name)}/`),
    example: '[a:b]/c',
  },
  {
    reason: 'DNS has no label of more than 63 characters and no name of more than 255',
    is: (name: string) => hasLongLabel(hostOf(name)) || hostOf(name).length > 255,
    example: `${'a'.repeat(64)}.io/b`,
  },
  {
    reason: 'a host has no underscore: Go takes it for the first part of a repository of no host at all',
    is: (name: string) => hostOf(name).includes('_'),
    example: 'r_x.io/a',
  },
  {
    reason: 'sha384 and sha512 are refused, cleanly, as UNSUPPORTED_DIGEST',
    is: (name: string) => /@sha(?:384|512):/.test(name),
    example: `a@sha512:${'0'.repeat(128)}`,
  },
] as const;

/** A host has no case: docker keeps it as it was written, and a cache must not hold one image twice. */
function withoutCase(name: string | null): string | null {
  return name === null ? null : hostOf(name).toLowerCase() + name.slice(hostOf(name).length);
}

const HEX = fc.stringMatching(/^[0-9a-f]{64}$/);
const DIGEST = fc.oneof(
  HEX.map((hex) => `@sha256:${hex}`),
  fc.stringMatching(/^[0-9a-f]{128}$/).map((hex) => `@sha512:${hex}`),
  HEX.map((hex) => `@sha256:${hex.slice(1)}`),
  HEX.map((hex) => `@SHA256:${hex}`),
  HEX.map((hex) => `@sha256:${hex.toUpperCase()}`),
  HEX.map((hex) => `@md5:${hex.slice(32)}`),
);
const WORDS = fc.constantFrom(
  ...['a', 'b1', 'A', 'localhost', 'LOCALHOST', 'docker.io', 'index.docker.io', 'r.io', 'r_x.io', '127.0.0.1', '[::1]', '[zz]'],
  ...[
    ':5000',
    ':0',
    ':65536',
    ':000080',
    '/',
    '//',
    ':',
    '@',
    '.',
    '..',
    '_',
    '__',
    '___',
    '-',
    '--',
    '---',
    'latest',
    'library',
  ],
  ...['.a', '-a', '_a', 'ä', ' ', '\n', '\u0000', '%2e', '0', '9', 'sha256', 'x'.repeat(64), 'y'.repeat(129), 'z'.repeat(200)],
);
const LETTERS = fc.constantFrom(...Array.from('aaabz09AZ.-_:/@[]%!é \u0000'));
const WORD = fc.stringMatching(/^[a-z0-9]{1,6}([._-][a-z0-9]{1,4})?$/);
const HOST = fc.constantFrom(
  '',
  'r.io/',
  'r.io:5000/',
  'localhost/',
  'docker.io/',
  'index.docker.io/',
  '[::1]:80/',
  'Reg.io/',
  'Reg/',
);
const TAG = fc.oneof(fc.constant(''), fc.stringMatching(/^:[A-Za-z0-9_.-]{0,12}$/));
const MOSTLY_RIGHT = fc
  .tuple(HOST, fc.array(WORD, { minLength: 1, maxLength: 3 }), TAG, fc.oneof({ weight: 3, arbitrary: fc.constant('') }, DIGEST))
  .map(([host, path, tag, digest]) => `${host}${path.join('/')}${tag}${digest}`);
const SPOILT = fc
  .tuple(MOSTLY_RIGHT, fc.nat(), LETTERS)
  .map(([text, at, letter]) => `${text.slice(0, at % (text.length + 1))}${letter}${text.slice(at % (text.length + 1))}`);
const TEXT = fc.oneof(
  fc.string({ unit: LETTERS, maxLength: 24 }),
  fc.string({ maxLength: 20 }),
  fc.array(WORDS, { maxLength: 8 }).map((words) => words.join('')),
  fc.tuple(fc.array(WORDS, { maxLength: 4 }), DIGEST).map(([words, digest]) => `${words.join('')}${digest}`),
  HEX,
  MOSTLY_RIGHT,
  SPOILT,
);

describe('row 30: a reference', () => {
  it(`of ${STRINGS} random strings is what Go makes of it, but for what is refused on purpose`, () => {
    const seed = Date.now() & 0x7fffffff;
    const texts = fc.sample(TEXT, { numRuns: STRINGS, seed });
    const names = theirs(texts);
    const counts = { taken: 0, refused: 0, onPurpose: 0 };
    const different: unknown[] = [];
    for (const [at, text] of texts.entries()) {
      const [name, own] = [names[at] ?? null, ours(text)];
      counts[own === null ? 'refused' : 'taken']++;
      if (own === withoutCase(name)) continue;
      const isOnPurpose = own === null && name !== null && REFUSED_ON_PURPOSE.some(({ is }) => is(name));
      if (isOnPurpose) counts.onPurpose++;
      else different.push({ text, ours: own, theirs: name });
    }
    console.log(`seed ${seed}: ${JSON.stringify(counts)}`);
    expect(different.slice(0, 10), `seed ${seed}`).toEqual([]);
    expect(counts.taken).toBeGreaterThan(STRINGS / 10);
    expect(counts.refused).toBeGreaterThan(STRINGS / 10);
  }, 300_000);

  it.each(REFUSED_ON_PURPOSE)('is refused where Go takes it: $reason', ({ example, is }) => {
    const [name = null] = theirs([example]);
    expect([name !== null && is(name), ours(example)]).toEqual([true, null]);
  });
});
