/** RELIABILITY §2 rows 12, 15, 24: what of the cache's own state is damaged or in the way is named, and stops nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { check, readSchema } from '../cli/json-schema.ts';
import { cachedLayers } from './cache-state.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const DAY_MS = 24 * 60 * 60_000;

let home: Home;
let own: string;
beforeEach(async () => {
  home = await makeHome();
  own = join(home.cacheDir, '.clipctl/v1');
  expect((await home.run(['warm', IMAGE])).code).toBe(0);
  expect((await home.run(['cache', 'pin', IMAGE])).code).toBe(0);
});
afterEach(() => home.remove());

interface Told {
  readonly warnings: readonly string[];
}

/** The one file there. */
async function fileIn(directory: 'images' | 'pins'): Promise<string> {
  const names = await readdir(join(own, directory));
  expect(names).toHaveLength(1);
  return join(own, directory, names[0] ?? '');
}

async function warningsOf(command: 'du' | 'ls' | 'verify' | 'prune'): Promise<readonly string[]> {
  const result = await home.run(['cache', command, '--json']);
  expect([command, result.code]).toEqual([command, 0]);
  expect(check(result.json(), readSchema(`cache-${command}`))).toEqual([]);
  const { warnings } = result.json<Told>();
  expect(result.stderr.split('\n').filter((line) => line.startsWith('warning: '))).toHaveLength(warnings.length);
  return warnings;
}

const DAMAGES: [string, (path: string) => Promise<unknown>][] = [
  ['cut off', (path) => truncate(path, 20)],
  ['empty', (path) => truncate(path, 0)],
  ['oversized', (path) => writeFile(path, `{"version":1,"image":"${'x'.repeat(2 * 1024 * 1024)}"}`)],
  ['no object', (path) => writeFile(path, '[]')],
  ['of another form', (path) => writeFile(path, '{"version":1,"image":7}')],
  ['a directory', async (path) => (await rm(path), mkdir(path))],
];

describe('a record that can not be read is named, exit 0:', () => {
  it.each(DAMAGES)('of an image, %s', async (_, damage) => {
    const path = await fileIn('images');
    await damage(path);
    for (const command of ['du', 'ls', 'verify', 'prune'] as const) {
      expect(await warningsOf(command)).toEqual([expect.stringMatching(new RegExp(`^from ${path} no record of an image `))]);
    }
  });

  it.each(DAMAGES)('of a pin, %s', async (_, damage) => {
    const path = await fileIn('pins');
    await damage(path);
    for (const command of ['du', 'ls', 'verify', 'prune'] as const) {
      expect(await warningsOf(command)).toEqual([expect.stringMatching(new RegExp(`^from ${path} no pin `))]);
    }
  });

  it('several are one warning, and what the warning says mends them', async () => {
    await truncate(await fileIn('images'), 1);
    await truncate(await fileIn('pins'), 1);
    for (const name of ['b', 'c']) await writeFile(join(own, 'pins', `${name}.json`), '');
    const [images, pins, ...others] = await warningsOf('du');
    expect([images, pins, others]).toEqual([
      expect.stringContaining('warm the image again'),
      expect.stringContaining('and 2 more files'),
      [],
    ]);
    expect((await home.run(['warm', IMAGE])).code).toBe(0);
    expect((await home.run(['cache', 'pin', IMAGE])).code).toBe(0);
    for (const name of ['b', 'c']) await rm(join(own, 'pins', `${name}.json`));
    expect(await warningsOf('du')).toEqual([]);
  });
});

describe('a directory under the name of a layer', () => {
  it('is named by repair, with what to do, exit 7; it stays, and the others are mended', async () => {
    const [first = '', second = ''] = (await cachedLayers(home)).map((name) => join(home.cacheDir, name));
    await rm(first);
    await mkdir(first);
    await writeFile(join(first, 'precious'), 'mine');
    await truncate(second, 1);
    for (const args of [['repair'], ['verify', '--repair']]) {
      const result = await home.run(['cache', ...args]);
      expect(result.code).toBe(7);
      expect(result.stderr.split('\n').filter((line) => line.startsWith('warning: '))).toEqual([
        `warning: layer sha256:${basename(first)} stays as it is: ${first} is not a regular file. ` +
          'Something else put a link, a directory or a device there: look at it and remove it.',
      ]);
      expect(result.stdout).toContain('1 bad, 0 missing: left as they are');
    }
    expect(await readdir(first)).toEqual(['precious']);
    await rm(first, { recursive: true });
    expect((await home.run(['cache', 'repair'])).code).toBe(0);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
  });
});

describe.skipIf(!canMount)('a leftover of a store that can not be removed', () => {
  it('keeps no other from going, and no warm from ending well', async () => {
    const ingests = join(own, 'ingest');
    const then = new Date(Date.now() - 2 * DAY_MS);
    for (let nth = 0; nth < 8; nth += 1) {
      const path = join(ingests, nth.toString(16).padStart(32, '0'));
      await mkdir(path);
      await utimes(path, then, then);
    }
    // The one that is come to first. What is mounted there is old too, and the name can't go.
    const [busy = ''] = await readdir(ingests);
    const path = join(ingests, busy);
    const mounted = `mount -t tmpfs none '${path}' && touch -d '2 days ago' '${path}'`;
    const [file = '', ...rest] = inMountNamespace(mounted, [process.execPath, BIN, 'warm', IMAGE, '--cache-dir', home.cacheDir]);
    execFileSync(file, rest, { stdio: 'ignore' });
    expect(await readdir(ingests)).toEqual([busy]);
  });
});

describe('cache prune --json that nobody can be asked about', () => {
  it('is one document with the plan and the error, exit 2, and nothing goes', async () => {
    expect((await home.run(['cache', 'unpin', IMAGE])).code).toBe(0);
    const then = new Date(Date.now() - DAY_MS);
    for (const name of await readdir(join(own, 'layers'))) await utimes(join(own, 'layers', name), then, then);
    const prune = (...args: string[]): Promise<CliResult> => home.run(['cache', 'prune', '--max-size', '0', ...args]);
    const asked = await prune('--json');
    const document = asked.json<{ dryRun: boolean; evicted: unknown[]; error: { code: string; hint: string } }>();
    expect([asked.code, document.dryRun, document.evicted.length]).toEqual([2, true, 3]);
    expect(asked.stderr).not.toContain('error: ');
    expect(document.error).toMatchObject({ code: 'USAGE', hint: expect.stringContaining('--yes') as string });
    expect(check(document, readSchema('cache-prune'))).toEqual([]);
    const words = await prune();
    expect([words.code, words.stdout]).toEqual([2, expect.stringContaining('would evict 3 layers')]);
    expect(words.stderr).toContain('nothing was evicted: nobody is there to be asked [USAGE]');
    expect(await cachedLayers(home)).toHaveLength(3);
    const planned = await prune('--json', '--dry-run');
    expect([planned.code, planned.json().error]).toEqual([0, undefined]);
    const done = await prune('--json', '--yes');
    expect([done.code, done.json().error, await cachedLayers(home)]).toEqual([0, undefined, []]);
  });
});
