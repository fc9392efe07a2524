/** RELIABILITY §2 rows 19 and 24: what killed processes left of our own state. */
import { mkdir, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { removeDeadLocks } from '../../../src/lib/cache/disk/lock/dead-locks.ts';
import { nameOnItsWay } from '../../../src/lib/cache/disk/lock/name-on-its-way.ts';
import { newOwnedName } from '../../../src/lib/cache/disk/owned-name.ts';
import { makeCacheDirectory, signal } from '../cache-directory.ts';

const DAY_MS = 24 * 60 * 60 * 1000;
/** Against hangs: three times the 2 seconds of row 19. */
const CLEANED_UP_MS = 6000;

test('§2 row 24: a record on its way goes with the process that wrote it; one of a running process stays', async () => {
  const dir = await makeCacheDirectory();
  const ingests = join(dir.path, '.clipctl/v1/ingest');
  await mkdir(ingests, { recursive: true });
  const own = await newOwnedName();
  const [space, pid, ticks, random] = own.split('-');
  const ended = [space, pid, `${ticks ?? ''}1`, random].join('-');
  const elsewhere = ['0'.repeat(16), pid, ticks, random].join('-');
  for (const name of [own, ended, elsewhere]) await writeFile(join(ingests, `${name}.record`), '{}');
  await dir.open().removeLeftovers(signal);
  expect((await readdir(ingests)).sort()).toEqual([`${own}.record`, `${elsewhere}.record`].sort());
  await dir.remove();
});

test('directories of a group that a killed process had not named yet go after a day, unless something is in them', async () => {
  const dir = await makeCacheDirectory();
  const names = { old: '1', young: '2', filled: '3' };
  const path = (kind: keyof typeof names): string => join(dir.path, `..clipctl.${names[kind].repeat(16)}`);
  for (const kind of ['old', 'young', 'filled'] as const) await mkdir(join(path(kind), 'v1/locks'), { recursive: true });
  await writeFile(join(path('filled'), 'v1/locks/file'), 'precious');
  await mkdir(join(dir.path, 'outside'));
  await symlink(join(dir.path, 'outside'), join(dir.path, `..clipctl.${'4'.repeat(16)}`));
  await mkdir(join(dir.path, '..clipctl.backup'));
  const longAgo = new Date(Date.now() - 2 * DAY_MS);
  for (const name of ['v1/locks/file', 'v1/locks', 'v1', '']) {
    for (const kind of ['old', 'filled'] as const) await utimes(join(path(kind), name), longAgo, longAgo).catch(() => undefined);
  }
  const others = (await readdir(dir.path)).filter((name) => name !== basename(path('old')));
  await dir.open().removeLeftovers(signal);
  expect((await readdir(dir.path)).filter((name) => name !== '.clipctl')).toEqual(others);
  expect(await readdir(join(path('filled'), 'v1/locks'))).toEqual(['file']);
  await dir.remove();
});

test('stopped transfers that nobody goes on with for a day go and leave no lock; those of today stay', async () => {
  const { dir, ingests, young } = await directoryWithTransfers(50, 5);
  await dir.open().removeLeftovers(signal);
  expect((await readdir(ingests)).sort()).toEqual(young);
  expect(await readdir(join(dir.path, '.clipctl/v1/locks'))).toEqual([]);
  await dir.remove();
});

test('a stopped transfer that can not be removed keeps no other from going', async () => {
  const { dir, ingests } = await directoryWithTransfers(8, 0);
  const [first = ''] = await readdir(ingests);
  // What can't be locked is left alone.
  await mkdir(join(dir.path, '.clipctl/v1/locks', `${first.slice(0, 64)}.lock`));
  await mkdir(join(dir.path, '.clipctl/v1/locks', `${first.slice(0, 64)}.lease`));
  await dir.open().removeLeftovers(signal);
  expect(await readdir(ingests)).toEqual([first]);
  await dir.remove();
});

test('a lock on its way that can not be removed keeps no other from going', async () => {
  const dir = await makeCacheDirectory();
  const locks = join(dir.path, '.clipctl/v1/locks');
  await mkdir(locks, { recursive: true });
  const names = Array.from({ length: 8 }, (_, nth) => `${'a'.repeat(64)}.aside.${String(nth).repeat(16)}`);
  for (const name of names) await writeFile(join(locks, name), '');
  // The one that is come to first.
  const [first = ''] = await readdir(locks);
  await rm(join(locks, first));
  await mkdir(join(locks, first));
  await removeDeadLocks(locks, { lockKind: 'lease', nowMs: () => Promise.resolve(Date.now() + DAY_MS) });
  expect(await readdir(locks)).toEqual([first]);
  await dir.remove();
});

test('§2 row 1: a lock on its way that is empty yet goes with the process that made it; that of a running one stays', async () => {
  const dir = await makeCacheDirectory();
  const locks = join(dir.path, '.clipctl/v1/locks');
  await mkdir(locks, { recursive: true });
  const paths = ['lock', 'lease'].map((kind) => join(locks, `${'a'.repeat(64)}.${kind}`));
  const own = await Promise.all(paths.map(nameOnItsWay));
  // Another start of what has this process id: it has ended.
  const ended = own.map((path) => path.replace(/-(\d+)-([0-9a-f]{16}\.new)$/, '-$11-$2'));
  for (const path of [...own, ...ended]) await writeFile(path, '');
  await removeDeadLocks(locks, { lockKind: 'lease', nowMs: () => Promise.resolve(Date.now()) });
  expect((await readdir(locks)).sort()).toEqual(own.map((path) => basename(path)).sort());
  await dir.remove();
});

test('§2 row 19: who is stopped while it removes a thousand of them does not go on to the last one', async () => {
  const { dir, ingests } = await directoryWithTransfers(1000, 0);
  const stop = new AbortController();
  const removing = dir.open().removeLeftovers(stop.signal);
  while ((await readdir(ingests)).length === 1000) await sleep(1);
  stop.abort();
  const stoppedMs = performance.now();
  await removing;
  expect(performance.now() - stoppedMs).toBeLessThan(CLEANED_UP_MS);
  expect((await readdir(ingests)).length).toBeGreaterThan(0);
  expect(await readdir(join(dir.path, '.clipctl/v1/locks'))).toEqual([]);
  await dir.remove();
});

/** Stopped transfers, each of a layer of its own: of two days ago, and of now. */
async function directoryWithTransfers(oldCount: number, youngCount: number) {
  const dir = await makeCacheDirectory();
  await mkdir(join(dir.path, '.clipctl/v1/locks'), { recursive: true });
  const ingests = join(dir.path, '.clipctl/v1/ingest');
  const names = Array.from({ length: oldCount + youngCount }, (_, nth) => transferName(nth));
  const twoDaysAgo = new Date(Date.now() - 2 * DAY_MS);
  for (const [nth, name] of names.entries()) {
    const paths = ['layer', 'journal', ''].map((file) => join(ingests, name, file));
    await mkdir(join(ingests, name), { recursive: true });
    for (const path of paths.slice(0, 2)) await writeFile(path, 'part of a layer');
    if (nth < oldCount) for (const path of paths) await utimes(path, twoDaysAgo, twoDaysAgo);
  }
  return { dir, ingests, young: names.slice(oldCount) };
}

/** Of a layer of its own. */
function transferName(nth: number): string {
  const random = nth.toString(16).padStart(32, '0');
  return `${random}${random}.${random}`;
}
