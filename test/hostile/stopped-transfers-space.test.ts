/** What stopped transfers have left takes space of the cache: it goes before a layer does. RELIABILITY §2 rows 1, 11, 14. */
import { readdir, readFile, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { seededContent } from '../cache/seeded-content.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home, type RunOptions } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';

const MIB = 1024 * 1024;

let home: Home;
let registry: LoopbackRegistry;
beforeEach(async () => {
  home = await makeHome();
  const images = { stopped: noise(16, 1), old: noise(16, 2), plain: noise(16, 3, 'none'), gzip: zeros(16) };
  const repositories: Record<string, string> = {};
  for (const [name, layer] of Object.entries(images)) repositories[name] = (await makeLayout(home.path(name), [layer])).directory;
  registry = await startLoopbackRegistry({ repositories });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

function noise(sizeMib: number, seed: number, compression: LayerCompression = 'gzip'): MadeLayer {
  return { files: { 'a.bin': Buffer.from(seededContent(seed, sizeMib * MIB).slice(0, sizeMib * MIB)) }, compression };
}

/** How large it gets shows only while it comes. */
function zeros(sizeMib: number): MadeLayer {
  return { files: { 'a.bin': Buffer.alloc(sizeMib * MIB) } };
}

function warm(name: string, flags: readonly string[] = [], options: RunOptions = {}): Promise<CliResult> {
  const command = ['warm', `${registry.host}/${name}:v1`, '--json', '--progress', 'none', '--min-free', '0'];
  return home.run([...command, ...flags], options);
}

async function transfers(): Promise<string[]> {
  return readdir(join(home.cacheDir, '.clipctl/v1/ingest')).catch(() => []);
}

/** A layer of 16 MiB of which half has come, and that nobody brings. */
async function leaveStopped(): Promise<void> {
  const stop = new AbortController();
  const running = await begin(stop.signal, 'SIGKILL');
  stop.abort();
  expect((await running.ended).code).toBe(137);
  expect(await transfers()).toHaveLength(1);
}

/** Resolves when some MiB have come; the signal ends it before the rest comes. */
async function begin(signal: AbortSignal, killSignal: NodeJS.Signals): Promise<{ readonly ended: Promise<CliResult> }> {
  const ended = warm('stopped', ['--max-rate', '4MiB'], { signal, killSignal });
  const startBytes = registry.bytesServed;
  while (registry.bytesServed - startBytes < 10 * MIB) await sleep(20);
  return { ended };
}

/** Was last used a day ago. */
async function warmOld(): Promise<string> {
  expect((await warm('old')).code).toBe(0);
  const [old = ''] = await cachedLayers(home);
  const yesterday = Date.now() / 1000 - 86_400;
  await utimes(join(home.cacheDir, '.clipctl/v1/layers', `${old}.json`), yesterday, yesterday);
  return old;
}

it.each(['plain', 'gzip'])('they go for a %s layer, and one that was not used for long stays', async (name) => {
  const old = await warmOld();
  await leaveStopped();
  const { code, stdout } = await warm(name, ['--max-cache-size', '36MiB']);
  expect(code, stdout).toBe(0);
  expect(await transfers()).toEqual([]);
  expect(await cachedLayers(home)).toContain(old);
  expect(await cachedLayers(home)).toHaveLength(2);
});

it('they stay where a layer does not fit without them either', async () => {
  await leaveStopped();
  expect((await warm('plain', ['--max-cache-size', '14MiB'])).code).toBe(8);
  expect(await transfers()).toHaveLength(1);
});

it('the one that is gone on with counts once, and stays', async () => {
  await leaveStopped();
  const { code, stdout } = await warm('stopped', ['--max-cache-size', '18MiB']);
  expect(code, stdout).toBe(0);
  const { totals } = JSON.parse(stdout) as { totals: { resumedBytes: number } };
  expect(totals.resumedBytes).toBeGreaterThan(4 * MIB);
  expect(await transfers()).toEqual([]);
  expect(await cachedLayers(home)).toHaveLength(1);
});

it('one of a process that stands still does not go: what does not fit beside it is refused, and it goes on', async () => {
  const stop = new AbortController();
  const { ended } = await begin(stop.signal, 'SIGSTOP');
  stop.abort();
  expect((await warm('gzip', ['--max-cache-size', '20MiB'])).code).toBe(8);
  expect(await transfers()).toHaveLength(1);
  const locks = join(home.cacheDir, '.clipctl/v1/locks');
  const [lease = ''] = (await readdir(locks)).filter((name) => name.endsWith('.lease'));
  const { pid } = JSON.parse(await readFile(join(locks, lease), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGCONT');
  expect((await ended).code).toBe(0);
});
