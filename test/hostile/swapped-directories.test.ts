/** RELIABILITY §1.3 row 20: while one member of a group brings a layer, another puts a link in the place of one of our own directories. */
import { execFileSync } from 'node:child_process';
import { chown, lstat, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { newOwnedName } from '../../src/lib/cache/disk/owned-name.ts';
import { identifyOurselves } from '../../src/lib/cache/disk/process-identity.ts';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { ageLayers, makeGroup, type Group } from '../e2e/group.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';

const MIB = 1024 * 1024;
const DIRECTORIES = ['ingest', 'locks', 'layers', 'images', 'leases', 'documents', 'index', 'pins', 'trash'] as const;
const LONG_AGO = new Date('2020-01-01T00:00:00Z');
/** No process has this one. */
const DEAD_PID = 99_999_999;

let store: Home;
let earlier: MadeLayout;
let slow: MadeLayout;
let group: Group;
let registry: LoopbackRegistry;
let outside: string;

beforeAll(async () => {
  store = await makeHome();
  earlier = await makeLayout(store.path('earlier'), [{ files: { 'b.bin': seededContent(2, MIB).slice(0, MIB) } }]);
  // Grows much behind the place where it stops: then `earlier` has to go.
  const slowFile = Buffer.concat([seededContent(1, 3 * MIB).slice(0, 3 * MIB), Buffer.alloc(6 * MIB)]);
  slow = await makeLayout(store.path('slow'), [
    { files: { 'a.bin': slowFile } },
    // Comes behind it: what looks like a stopped transfer of this one goes.
    { files: { 'c.bin': seededContent(3, 1000).slice(0, 1000) } },
  ]);
}, 60_000);
afterAll(() => store.remove());
beforeEach(async () => {
  group = await makeGroup(0o022, 0o2770);
  registry = await startLoopbackRegistry({ repositories: { earlier: earlier.directory, slow: slow.directory } });
  outside = group.home.path('bob/outside');
});
afterEach(async () => {
  await registry.close();
  await group.remove();
});

const hexOf = (digest: string): string => digest.replace('sha256:', '');
const fetches = (): LoopbackRegistry['requests'] =>
  registry.requests.filter(({ path }) => path.endsWith(slow.layers[0]?.digest ?? ''));

/** All that is named like what a command makes, replaces or removes, by files that look as if nobody needed them. */
async function preciousNames(): Promise<Readonly<Record<string, string>>> {
  const layers = [...slow.layers, ...earlier.layers];
  const hashes = layers.flatMap(({ diffId, digest }) => [hexOf(diffId), hexOf(digest)]);
  const dead = (await newOwnedName()).replace(`-${process.pid}-`, `-${DEAD_PID}-`);
  const lease = JSON.stringify({ version: 1, ...(await identifyOurselves()), pid: DEAD_PID });
  const names = hashes.flatMap((hash) => [
    ...['', '.json', '.lock', '.lease', `.lock.${dead}.new`, `.lease.${dead}.new`, `.aside.${'0'.repeat(16)}`].map(
      (end) => hash + end,
    ),
    ...['layer', 'journal', 'granted', 'diary'].map((name) => `${hash}.${'0'.repeat(32)}/${name}`),
  ]);
  return {
    ...Object.fromEntries(
      [...names, `${dead}.record`, `${dead}.layer`, `${dead}.json`, 'use-clock.json'].map((name) => [name, 'precious']),
    ),
    [`${DEAD_PID}-${'0'.repeat(16)}.lease`]: `${lease}\n`,
  };
}

async function fill(directory: string): Promise<void> {
  for (const [name, text] of Object.entries(await preciousNames())) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text, { mode: 0o600 });
  }
}

/** Everything below belongs to bob, and is old. */
async function settle(directory: string): Promise<void> {
  const owner = await lstat(group.home.path('bob'));
  for (const name of (await readdir(directory, { recursive: true })).reverse().concat('.')) {
    await chown(join(directory, name), owner.uid, owner.gid);
    await utimes(join(directory, name), LONG_AGO, LONG_AGO);
  }
}

async function stateOf(directory: string): Promise<readonly unknown[]> {
  const names = (await readdir(directory, { recursive: true })).sort().concat('.');
  return Promise.all(
    names.map(async (name) => {
      const { ino, mode, uid, gid, size, mtimeMs, ctimeMs, nlink } = await lstat(join(directory, name));
      const text =
        name === '.' || (await lstat(join(directory, name))).isDirectory() ? '' : await readFile(join(directory, name), 'utf8');
      return [name, { ino, mode, uid, gid, size, mtimeMs, ctimeMs, nlink, text }] as const;
    }),
  );
}

/** Ann does it, who may write to the directories of the group. */
function swap(path: string): void {
  group.act('ann', `mv '${path}' '${path}.away' && ln -s '${outside}' '${path}'`);
}

async function until(condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > 20_000) throw new Error('it does not happen');
    await sleep(10);
  }
}

/** Bob's command waits in the middle of a layer while ann swaps. */
async function swapDuring(path: string, args: readonly string[]): Promise<CliResult> {
  const isFirst = ({ path: asked }: { readonly path: string }): boolean =>
    asked.endsWith(slow.layers[0]?.digest ?? '') && fetches().length === 1;
  registry.script = (request) => (isFirst(request) ? { stallAt: 2 * MIB } : undefined);
  const running = group.run('bob', [...args, '--timeout', '2s', '--min-free', '0'], {
    env: { DOCKER_CONFIG: group.home.path('bob') },
  });
  await until(() => (fetches()[0]?.bytesServed ?? 0) >= 2 * MIB);
  swap(path);
  return running;
}

describe.skipIf(process.getuid?.() !== 0)('§1.3 row 20: a link in the place of', () => {
  const own = (name: string): string => join(group.cacheDir, '.clipctl/v1', name);
  const commands = {
    warm: () => ['warm', `${registry.host}/slow:v1`, '--max-cache-size', '9900KiB', '--jobs', '1'],
    index: () => ['index', `${registry.host}/slow:v1`, '-o', group.home.path('bob/x.clip')],
  };
  // An index writes less of its own.
  const places = { warm: [...DIRECTORIES, '', '..'], index: ['ingest', 'documents', 'index', ''] };
  const cases = (['warm', 'index'] as const).flatMap((command) =>
    places[command].map((name) => ({ command, name, shown: name === '' ? 'v1' : name === '..' ? '.clipctl' : name })),
  );

  it.each(cases)('$shown, put there during $command, leads nothing outside', async ({ command, name }) => {
    const earlierRun = await group.run('ann', ['warm', `${registry.host}/earlier:v1`]);
    expect(earlierRun.code, earlierRun.stderr).toBe(0);
    group.act('ann', `mkdir -p -m 2770 '${own('trash')}'`);
    await ageLayers(group.cacheDir);
    await fill(outside);
    for (const below of name === '' ? DIRECTORIES : name === '..' ? DIRECTORIES.map((each) => join('v1', each)) : [])
      await fill(join(outside, below));
    await settle(outside);
    const before = await stateOf(outside);
    const path = own(name);
    const { code, stdout, stderr } = await swapDuring(path, commands[command]());
    expect(await stateOf(outside)).toEqual(before);
    expect([0, 8], stderr).toContain(code);
    expect(await readdir(group.cacheDir)).not.toContain(command === 'warm' ? hexOf(earlier.layers[0]?.diffId ?? '') : '');
    expect(stdout + stderr).not.toContain('/proc/self/fd');
    expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
    group.act('ann', `rm '${path}' && mv '${path}.away' '${path}'`);
    const after = await group.run('bob', ['warm', `${registry.host}/slow:v1`, '--min-free', '0']);
    expect(after.code, after.stderr).toBe(0);
    expect(execFileSync('find', [group.cacheDir, '-type', 'l']).toString()).toBe('');
  });
});
