/**
 * RELIABILITY §2 row 2: what a power loss can do to a layer. Each publish of the built command, as the kernel sees it, and
 * layers that a disk has lost the bytes of.
 */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, open, readFile, rm, stat, truncate, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { readTrace, type TracedCall } from './trace-calls.ts';

const run = promisify(execFile);
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
const CALLS = 'trace=link,linkat,rename,renameat,renameat2,fsync,fdatasync';

let store: string;
let small: MadeLayout;
let large: MadeLayout;
let registry: LoopbackRegistry;
let home: Home;
beforeAll(async () => {
  store = await mkdtemp(join(tmpdir(), 'clipctl-power-'));
  small = await makeMixedImage(join(store, 'small'), 2 * MIB, ['gzip', 'zstd', 'none', 'gzip', 'zstd', 'none', 'gzip', 'none']);
  large = await makeMixedImage(join(store, 'large'), 24 * MIB, ['gzip', 'none']);
  registry = await startLoopbackRegistry({ repositories: { small: small.directory, large: large.directory } });
}, 120_000);
afterAll(async () => {
  await registry.close();
  await rm(store, { recursive: true, force: true });
});
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

/** Runs `warm` under strace; gives its calls. */
async function traceWarm(...args: readonly string[]): Promise<TracedCall[]> {
  const trace = home.path('trace');
  const command = [process.execPath, BIN, 'warm', ...args, '--cache-dir', home.cacheDir, '--min-free', '0', '--progress', 'none'];
  const strace = ['-f', '-y', '-qq', '--seccomp-bpf', '-e', CALLS, '-o', trace, ...command];
  const env = { PATH: process.env['PATH'] ?? '', HOME: home.dir };
  await run('strace', strace, { env, timeout: 120_000 });
  return readTrace(await readFile(trace, 'utf8'));
}

/** How often the order held, of how many publishes. */
function orderOf(
  calls: readonly TracedCall[],
  layers: readonly string[],
): { readonly published: number; readonly inOrder: number } {
  const published = layers.filter((hash) => publishOf(calls, hash) !== undefined);
  return { published: published.length, inOrder: published.filter((hash) => isInOrder(calls, hash)).length };
}

function publishOf(calls: readonly TracedCall[], hash: string): TracedCall | undefined {
  const final = `"${join(home.cacheDir, hash)}"`;
  return calls.find(({ name, text }) => /^(link|rename)/.test(name) && text.includes(final));
}

function isInOrder(calls: readonly TracedCall[], hash: string): boolean {
  const publish = publishOf(calls, hash);
  if (publish === undefined) return false;
  const isFlush = ({ name }: TracedCall): boolean => name === 'fsync' || name === 'fdatasync';
  const isOfLayer = ({ text }: TracedCall): boolean => new RegExp(`/ingest/${hash}\\.[0-9a-f]+/layer>`).test(text);
  const isOfDirectory = ({ text }: TracedCall): boolean => text.includes(`<${home.cacheDir}>`);
  const flushed = calls.some((call) => isFlush(call) && isOfLayer(call) && call.endedAt < publish.startedAt);
  return flushed && calls.some((call) => isFlush(call) && isOfDirectory(call) && call.startedAt > publish.endedAt);
}

describe.skipIf(!canTrace())('§2 row 2: the file is flushed, gets its name, then the directory is flushed', () => {
  it('in every publish of a warm of eight layers', async () => {
    const calls = await traceWarm(`${registry.host}/small:v1`);
    const layers = await cachedLayers(home);
    expect(layers.length).toBe(8);
    expect(orderOf(calls, layers)).toEqual({ published: 8, inOrder: 8 });
  });

  it('in every publish of a warm by parallel ranges of an index', async () => {
    const indexed = await home.run(['index', `${registry.host}/large:v1`, '-o', 'image.clip', '--cache-dir', home.path('other')]);
    expect(indexed.code, indexed.stderr).toBe(0);
    const calls = await traceWarm(home.path('image.clip'), '--jobs', '2');
    const layers = await cachedLayers(home);
    expect(layers.length).toBe(2);
    expect(orderOf(calls, layers)).toEqual({ published: 2, inOrder: 2 });
  });

  it('and with --durability none nothing of a layer is flushed', async () => {
    const calls = await traceWarm(`${registry.host}/small:v1`, '--durability', 'none');
    expect((await cachedLayers(home)).length).toBe(8);
    expect(calls.filter(({ name, text }) => name.includes('sync') && /\/layer>|cache\/clipctl>/.test(text))).toEqual([]);
  });
});

describe('§2 row 2: a layer whose bytes a disk has lost', () => {
  it.each<[string, (path: string, sizeBytes: number) => Promise<void>]>([
    ['all zeros', (path, sizeBytes) => zeros(path, 0, sizeBytes)],
    ['zeros at its end', (path, sizeBytes) => zeros(path, sizeBytes - MIB, MIB)],
    ['cut', (path, sizeBytes) => truncate(path, sizeBytes - MIB)],
    ['empty', (path) => truncate(path, 0)],
  ])('%s, with the times it had, is found by cache verify --full, and mended by repair', async (_what, damage) => {
    expect((await home.run(['warm', `${registry.host}/small:v1`])).code).toBe(0);
    const [hash = ''] = await cachedLayers(home);
    const path = join(home.cacheDir, hash);
    const { atime, mtime, size } = await stat(path);
    await chmod(path, 0o644);
    await damage(path, size);
    await chmod(path, 0o444);
    await utimes(path, atime, mtime);
    const found = await home.run(['cache', 'verify', '--full', '--json']);
    expect(found.code).toBe(7);
    expect(found.json<{ corrupt: { diffId: string }[] }>().corrupt).toMatchObject([{ diffId: `sha256:${hash}` }]);
    expect((await home.run(['cache', 'repair'])).code).toBe(0);
    expect((await home.run(['cache', 'verify', '--full'])).code).toBe(0);
  });
});

async function zeros(path: string, at: number, bytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  await handle.write(Buffer.alloc(bytes), 0, bytes, at);
  await handle.close();
}
