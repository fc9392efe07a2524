/** RELIABILITY §2 row 20: the time of day is wrong, or jumps between commands. Each process is given a clock of its own. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeMixedImage, servedOf } from './mixed-image.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
const DAY_MS = 24 * 60 * 60 * 1000;
const TEN_YEARS_MS = 3650 * DAY_MS;

let home: Home;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await registry?.close();
  registry = undefined;
  await home.remove();
});

/** The command, whose time of day is `skewMs` off. */
function runAt(skewMs: number, args: readonly string[], options: Parameters<Home['run']>[1] = {}): Promise<CliResult> {
  const code = `const Right = Date;
    globalThis.Date = class extends Right {
      constructor(...given) { super(...(given.length === 0 ? [Right.now() + ${skewMs}] : given)); }
      static now() { return Right.now() + ${skewMs}; }
    };`;
  const preload = `--import data:text/javascript,${encodeURIComponent(code)}`;
  return home.run(args, { ...options, env: { ...options.env, NODE_OPTIONS: preload } });
}

async function succeed(skewMs: number, ...args: string[]): Promise<CliResult> {
  const result = await runAt(skewMs, args);
  expect(result.code, result.stderr).toBe(0);
  return result;
}

/** Of one layer each. */
async function makeImages(): Promise<{ readonly reference: string; readonly diffId: string }[]> {
  const sizes = [100_000, 200_000, 300_000];
  const made = sizes.map((bytes) => makeMixedImage(home.path(`image-${bytes}`), bytes, ['gzip']));
  return (await Promise.all(made)).map(({ reference, layers }) => ({ reference, diffId: layers[0]?.diffId ?? '' }));
}

describe('§2 row 20: of three images that are warmed one after the other', () => {
  it.each([
    ['goes back a day', [0, -DAY_MS, -DAY_MS]],
    ['jumps ten years ahead and back', [0, TEN_YEARS_MS, 0]],
    ['goes back to 1970', [0, -Date.now() + 1000, -Date.now() + 2000]],
  ])('the order of last use is right, and no age is too high, when the clock %s', async (_what, skews) => {
    const images = await makeImages();
    for (const [at, { reference }] of images.entries()) await succeed(skews[at] ?? 0, 'warm', reference);
    const ls = await succeed(skews[2] ?? 0, 'cache', 'ls', '--json');
    const listed = ls.json<{ layers: { diffId: string }[] }>().layers.map(({ diffId }) => diffId);
    expect(listed).toEqual(images.map(({ diffId }) => diffId).toReversed());
    for (const skewMs of [...skews, TEN_YEARS_MS]) await succeed(skewMs, 'cache', 'prune', '--max-age', '30d', '--yes');
    expect((await cachedLayers(home)).length).toBe(3);
  });
});

describe('§2 row 20: a transfer', () => {
  let layer: MadeLayout['layers'][number];
  let name: string;
  beforeEach(async () => {
    const image = await makeMixedImage(home.path('image'), 8 * MIB, ['gzip']);
    layer = image.layers[0] as MadeLayout['layers'][number];
    registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    registry.script = ({ path, count }) => (count === 1 && path.endsWith(layer.digest) ? { stallAt: 4 * MIB } : undefined);
    name = `${registry.host}/app:v1`;
  });

  async function untilStalled(): Promise<void> {
    while (servedOf(registry as LoopbackRegistry, layer.digest) < 4 * MIB) await sleep(20);
    await sleep(500);
  }

  it.each([
    ['a day behind', -DAY_MS],
    ['ten years ahead', TEN_YEARS_MS],
  ])('that was killed a moment ago is gone on with by a command whose clock is %s', async (_what, skewMs) => {
    const stop = new AbortController();
    const killed = home.run(['warm', name], { signal: stop.signal, killSignal: 'SIGKILL' });
    await untilStalled();
    stop.abort();
    await killed;
    const resumed = await succeed(skewMs, 'warm', name, '--json');
    expect(resumed.json<{ totals: { resumedBytes?: number } }>().totals.resumedBytes).toBeGreaterThan(2 * MIB);
    expect(await leftovers(home)).toEqual([]);
  });

  it('whose holder lives is not taken over by one whose clock is ten years ahead, where leases are all there is', async () => {
    const env = { CLIPCTL_LOCKS: 'lease' };
    const stop = new AbortController();
    const holder = runAt(-DAY_MS, ['warm', name], { env, signal: stop.signal });
    await untilStalled();
    // Longer than a lease lasts that does not move.
    const waiter = await runAt(TEN_YEARS_MS, ['warm', name, '--lock-timeout', '12s', '--json'], { env });
    expect([waiter.code, waiter.json().error?.code]).toEqual([8, 'LOCK_TIMEOUT']);
    expect(registry?.countOf(`/v2/app/blobs/${layer.digest}`)).toBe(1);
    stop.abort();
    expect((await holder).code).toBe(143);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/locks'))).toEqual([]);
  });
});
