/**
 * Layers whose size is known before they come, in several processes that begin at once: what was promised to one is not
 * promised to another, and those that are let in come to their end. RELIABILITY §2 rows 11, 14.
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace, runChild } from '../cache/cache-process.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { cachedLayers, leftovers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { watchSpace } from './watch-space.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
const LAYER_BYTES = 24 * MIB;
/** Two fit, and what is kept beside them. */
const CAP_BYTES = 60 * MIB;
const LIMITS = ['--min-free', '0', '--max-cache-size', String(CAP_BYTES)];
const FOUR = [1, 2, 3, 4] as const;

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

function fourImages(directory: string, compression: LayerCompression): Promise<MadeLayout[]> {
  const files = (seed: number) => ({ 'a.bin': Buffer.from(seededContent(seed, LAYER_BYTES).slice(0, LAYER_BYTES)) });
  return Promise.all(FOUR.map((seed) => makeLayout(join(directory, `image-${seed}`), [{ files: files(seed), compression }])));
}

function warm(what: string, ...flags: string[]): Promise<CliResult> {
  const limits = flags.includes('--max-cache-size') ? ['--min-free', '0'] : LIMITS;
  return home.run(['warm', what, '--json', '--progress', 'none', ...limits, ...flags]);
}

/** All four at once, each in its process. */
async function expectTwoOfFour(references: readonly string[], ...flags: string[]): Promise<CliResult[]> {
  const all = (): Promise<CliResult[]> => Promise.all(references.map((each) => warm(each, ...flags)));
  const { result, peakBytes } = await watchSpace(home.cacheDir, all);
  const said = result.map(({ stdout }) => stdout).join('\n');
  expect(result.map(({ code }) => code).sort(), said).toEqual([0, 0, 8, 8]);
  expect(peakBytes).toBeLessThanOrEqual(CAP_BYTES);
  expect(await cachedLayers(home)).toHaveLength(2);
  expect(await leftovers(home)).toEqual([]);
  return result.filter(({ code }) => code === 0);
}

describe('of four layers in four processes two fit below --max-cache-size: two come, and the cap holds all the time', () => {
  it('when they are plain', async () => {
    const images = await fourImages(home.dir, 'none');
    await expectTwoOfFour(images.map(({ reference }) => reference));
  });

  it('when an index says how large they are', async () => {
    const images = await fourImages(home.dir, 'gzip');
    const repositories = Object.fromEntries(images.map(({ directory }, at) => [`image-${at}`, directory]));
    const registry = await startLoopbackRegistry({ repositories });
    try {
      const files = images.map((_, at) => `image-${at}.clip`);
      for (const [at, file] of files.entries()) {
        const { code, stderr } = await home.run(['index', `${registry.host}/image-${at}:v1`, '-o', file, ...LIMITS]);
        expect(code, stderr).toBe(0);
      }
      await expectTwoOfFour(files);
      expect(registry.requests.some(({ headers }) => headers.range !== undefined)).toBe(true);
    } finally {
      await registry.close();
    }
  });

  it('when they come from a remote cache', async () => {
    const images = await fourImages(home.dir, 'gzip');
    const remote = `file://${home.path('remote')}`;
    await mkdir(home.path('remote'));
    for (const { reference } of images) {
      const { code, stderr } = await home.run(['push-cache', reference, '--to', remote, '--no-disk']);
      expect(code, stderr).toBe(0);
    }
    const done = await expectTwoOfFour(
      images.map(({ reference }) => reference),
      '--from',
      remote,
    );
    for (const { stdout } of done) expect(stdout).toContain('"remote"');
  });
});

describe('four layers in one run, that grow at once', () => {
  const layers = FOUR.map((fill) => ({ files: { 'a.bin': Buffer.alloc(LAYER_BYTES, fill) }, compression: 'gzip' as const }));

  it('are two at the end where two fit', async () => {
    const { reference } = await makeLayout(home.path('image'), layers);
    const { result, peakBytes } = await watchSpace(home.cacheDir, () => warm(reference, '--jobs', '4'));
    expect(result.code, result.stdout).toBe(8);
    expect(peakBytes).toBeLessThanOrEqual(CAP_BYTES);
    expect(await cachedLayers(home)).toHaveLength(2);
  });

  it('all come when there is room for what three of them may be promised and not need: a 64th of the cap each', async () => {
    const { reference } = await makeLayout(home.path('image'), layers);
    const capBytes = 4 * LAYER_BYTES + 6 * MIB;
    const cap = ['--max-cache-size', String(capBytes)];
    const { result, peakBytes } = await watchSpace(home.cacheDir, () => warm(reference, '--jobs', '4', ...cap));
    expect(result.code, result.stdout).toBe(0);
    expect(peakBytes).toBeLessThanOrEqual(capBytes);
  });
});

describe('a layer that does not fit beside what is promised to another process', () => {
  it('is told how much that is and to how many layers, and that it may be tried again', async () => {
    const [first, second] = await fourImages(home.dir, 'none');
    const registry = await startLoopbackRegistry({ repositories: { first: first?.directory ?? '' } });
    registry.script = ({ path }) => (path.includes('/blobs/') ? { bytesPerSecond: 4 * MIB } : undefined);
    const stop = new AbortController();
    const cap = ['--max-cache-size', String(40 * MIB)];
    const flags = ['--progress', 'none', '--min-free', '0', ...cap];
    const running = home.run(['warm', `${registry.host}/first:v1`, ...flags], { signal: stop.signal });
    try {
      await expect
        .poll(async () => (await leftovers(home)).some((name) => name.endsWith('granted')), { timeout: 10_000 })
        .toBe(true);
      const { code, stdout } = await warm(second?.reference ?? '', ...cap);
      expect(code, stdout).toBe(8);
      const { error } = JSON.parse(stdout) as { error: { message: string; details: Record<string, number> } };
      expect(error.message).toMatch(
        /no room in .* for now: \d+ bytes needed, and \d+ bytes are promised to 1 other layer under way/,
      );
      expect(error.details['promisedLayers']).toBe(1);
      expect(error.details['promisedBytes']).toBeGreaterThan(8 * MIB);
    } finally {
      stop.abort();
      await running;
      await registry.close();
    }
  });
});

describe('of many small layers, each in a process of its own', () => {
  it('no more come than the cap has room for, and it holds all the time', async () => {
    const capBytes = 16 * MIB;
    const plain = (name: string, sizeBytes: number, seed: number): Promise<MadeLayout> => {
      const bytes = Buffer.from(seededContent(seed, sizeBytes).slice(0, sizeBytes));
      return makeLayout(home.path(name), [{ files: { 'a.bin': bytes }, compression: 'none' }]);
    };
    const flags = ['--max-cache-size', String(capBytes)];
    const first = await warm((await plain('first', 12.5 * MIB, 1)).reference, ...flags);
    expect(first.code, first.stdout).toBe(0);
    const small = await Promise.all(Array.from({ length: 18 }, (_, at) => plain(`small-${at}`, 240 * 1024, 10 + at)));
    const all = (): Promise<CliResult[]> => Promise.all(small.map(({ reference }) => warm(reference, ...flags)));
    const { result, peakBytes } = await watchSpace(home.cacheDir, all);
    const codes = new Set(result.map(({ code }) => code));
    expect([...codes].sort(), result.map(({ stdout }) => stdout).join('\n')).toEqual([0, 8]);
    expect(peakBytes).toBeLessThanOrEqual(capBytes);
    expect(await leftovers(home)).toEqual([]);
  });
});

describe.skipIf(!canMount)('of four plain layers in four processes on a file system of 200 MiB', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clipctl-booked-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('those come that the free-space floor leaves room for, and the others end with 8', async () => {
    const layers = FOUR.map((fill) => ({ files: { 'a.bin': Buffer.alloc(60 * MIB, fill) }, compression: 'none' as const }));
    const images = await Promise.all(layers.map((layer, at) => makeLayout(join(directory, `image-${at}`), [layer])));
    const cacheDir = join(directory, 'cache');
    await mkdir(cacheDir, { mode: 0o700 });
    const command = `'${process.execPath}' '${BIN}' warm --progress none --min-free 60MiB --max-cache-size 1GiB --cache-dir '${cacheDir}'`;
    const runs = images.map(
      ({ reference }, at) => `(${command} '${reference}'; echo $? >'${directory}/code-${at}') 2>/dev/null &`,
    );
    const script = `${runs.join('\n')}\nwait; ls '${cacheDir}' | grep -cE '^[0-9a-f]{64}$' >'${directory}/kept'; echo '{}'`;
    await runChild(inMountNamespace(`mount -t tmpfs -o size=200m,mode=700 none '${cacheDir}'`, ['sh', '-c', script]));
    const codes = await Promise.all(images.map((_, at) => readFile(join(directory, `code-${at}`), 'utf8')));
    expect(codes.map(Number).sort()).toEqual([0, 0, 8, 8]);
    expect(Number(await readFile(join(directory, 'kept'), 'utf8'))).toBe(2);
  });
});
