/** RELIABILITY §2 row 20: the clock is turned. §1.3 row 20: whose directory it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readLeases } from '../../../../src/lib/cache/disk/read-leases.ts';
import { codeOf, signal, storeIn } from '../../cache-directory.ts';
import { LAYER_BYTES, layersOf, makeSizedCache, type SizedCache } from './sized-cache.ts';

const DAY_MS = 86_400_000;
const [a, b, c] = layersOf(3, 7100) as [
  ReturnType<typeof layersOf>[0],
  ReturnType<typeof layersOf>[0],
  ReturnType<typeof layersOf>[0],
];

let dir: SizedCache;
beforeEach(async () => {
  dir = await makeSizedCache();
});
afterEach(() => dir.remove());

/** Each use is of a process of its own, at a time of day of its own. */
async function useAt(wallMs: number, layer: typeof a): Promise<void> {
  const cache = dir.openWith({ wallClock: () => wallMs });
  await storeIn(cache, layer);
  await cache.close();
}

async function orderAt(wallMs: number): Promise<string[]> {
  const cache = dir.openWith({ wallClock: () => wallMs, recentMs: -1 });
  const plan = await cache.room.planPrune({ maxCacheBytes: 0, keep: new Set(), signal });
  return plan.victims.map(({ hash }) => hash);
}

describe('§2 row 20: the order of uses', () => {
  const now = Date.now();
  it.each([
    ['goes back a day', [now, now - DAY_MS, now - DAY_MS + 1000]],
    ['jumps ten years ahead and back', [now, now + 3650 * DAY_MS, now + 1000]],
    ['goes back to 1970', [now, 1000, 2000]],
    ['runs on', [now, now + 1000, now + 2000]],
  ])('is right when the clock %s', async (_what, [first = 0, second = 0, third = 0]) => {
    await useAt(first, a);
    await useAt(second, b);
    await useAt(third, c);
    expect(await orderAt(third)).toEqual([a.hash, b.hash, c.hash]);
  });

  it('and no age passes a limit of 30 days by one jump of ten years', async () => {
    await useAt(now, a);
    const cache = dir.openWith({ wallClock: () => now + 3650 * DAY_MS });
    const plan = await cache.room.planPrune({ maxAgeMs: 30 * DAY_MS, keep: new Set(), signal });
    expect(plan.victims).toEqual([]);
  });
});

describe('a lease', () => {
  it('of a process that was killed is void, and goes', async () => {
    await dir.fill(a);
    const holder = spawn('sleep', ['60']);
    await once(holder, 'spawn');
    const cache = dir.openWith({});
    await cache.holdLayers([a.hash]);
    const leases = join(dir.path, '.clipctl/v1/leases');
    expect(await readLeases(dir.path)).toEqual(new Set([a.hash]));
    const [name = ''] = await readdir(leases);
    await writeFile(
      join(leases, name.replace(/^\d+/, '1')),
      `{"version":1,"pid":${holder.pid ?? 0},"startTicks":"1","space":"x"}\n`,
    );
    holder.kill('SIGKILL');
    await cache.close();
    await writeFile(join(leases, 'torn.lease'), '{"vers');
    expect(await readLeases(dir.path)).toEqual(new Set());
    expect(await readdir(leases)).not.toContain(name);
  });
});

describe('§2 row 20: what processes leave that nobody here can see', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it.each([
    ['a day behind', -DAY_MS],
    ['ten years ahead', 3650 * DAY_MS],
    ['right', 0],
  ])('a lease and a file on its way out count by the time of the file system, when the clock is %s', async (_what, skewMs) => {
    await dir.fill(a, b);
    const own = join(dir.path, '.clipctl/v1');
    const lease = join(own, 'leases', '77-elsewhere.lease');
    await mkdir(join(own, 'leases'), { recursive: true });
    await mkdir(join(own, 'trash'), { recursive: true });
    await writeFile(lease, `{"version":1,"pid":77,"startTicks":"1","space":"another machine"}\n${a.hash}\n`);
    const onItsWay = `${'0'.repeat(16)}-77-1-${'1'.repeat(16)}.layer`;
    await writeFile(join(own, 'trash', onItsWay), 'somebody may want it back');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + skewMs });
    expect(await readLeases(dir.path)).toEqual(new Set([a.hash]));
    const cache = dir.openWith({ recentMs: -1 });
    await cache.room.prune(await cache.room.planPrune({ maxCacheBytes: 0, keep: new Set(), signal }));
    await cache.close();
    expect(await dir.present(a, b)).toEqual([true, false]);
    expect(await readdir(join(own, 'trash'))).toEqual([onItsWay]);
  });
});

describe('§1.3 row 20: a cache directory', () => {
  it.skipIf(process.getuid?.() !== 0)('of another user is refused, and taken with --shared', async () => {
    await mkdir(dir.path);
    await chown(dir.path, 4321, 4321);
    expect(await codeOf(dir.openWith({}).checkLayer(a.hash))).toBe('STORAGE_DENIED');
    expect(await codeOf(storeIn(dir.openWith({}), a))).toBe('STORAGE_DENIED');
    expect(await dir.openWith({ shared: true }).checkLayer(a.hash)).toBe('missing');
  });

  it('is made for its owner alone, and with --shared for the group, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await storeIn(dir.openWith({ shared: true }), a);
    } finally {
      process.umask(before);
    }
    for (const name of ['', '.clipctl', '.clipctl/v1/layers', '.clipctl/v1/leases'])
      expect((await stat(join(dir.path, name))).mode & 0o7777).toBe(0o2775);
    expect((await stat(join(dir.path, '.clipctl/v1/layers', `${a.hash}.json`))).mode & 0o777).toBe(0o664);
    expect((await stat(join(dir.path, a.hash))).size).toBe(LAYER_BYTES);
  });
});
