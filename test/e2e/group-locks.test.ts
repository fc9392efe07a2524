/** RELIABILITY §1.3 row 20: a lock file in a group's cache that only its owner may write to, as earlier builds made them. */
import { chmod, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasNativeLocks } from '../../src/lib/cache/disk/lock/kernel-lock.ts';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers } from './cache-state.ts';
import { makeGroup, type Group, type Member } from './group.ts';
import { makeHome, type CliResult, type Home, type RunOptions } from './run-cli.ts';

const MIB = 1024 * 1024;
/** Who is let in near a limit takes it (admission.ts). */
const ADMISSION = '0'.repeat(64);
/** Of a layer that nobody wants. */
const UNWANTED = 'a'.repeat(64);

let store: Home;
let first: MadeLayout;
let image: MadeLayout;
let group: Group;
let registry: LoopbackRegistry;
let locks: string;
beforeAll(async () => {
  store = await makeHome();
  first = await makeLayout(store.path('first'), [{ files: { 'a.txt': 'first' } }]);
  image = await makeLayout(store.path('image'), [{ files: { 'a.bin': seededContent(1, 4 * MIB).slice(0, 4 * MIB) } }]);
});
afterAll(() => store.remove());
beforeEach(async () => {
  group = await makeGroup(0o022, 0o2775);
  locks = join(group.cacheDir, '.clipctl/v1/locks');
  registry = await startLoopbackRegistry({ repositories: { first: first.directory, image: image.directory } });
  // Makes the directories.
  expect((await warm('ann', 'first')).code).toBe(0);
});
afterEach(async () => {
  await registry.close();
  await group.remove();
});

function layer(): { readonly digest: string; readonly hash: string } {
  const { digest = '', diffId = '' } = image.layers[0] ?? {};
  return { digest, hash: diffId.replace('sha256:', '') };
}

const blobs = (): LoopbackRegistry['requests'] => registry.requests.filter(({ path }) => path.endsWith(layer().digest));

function warm(member: Member, name: string, options: RunOptions = {}): Promise<CliResult> {
  const flags = ['--progress', 'plain', '--min-free', '0', '--max-cache-size', '8MiB'];
  return group.run(member, ['warm', `${registry.host}/${name}:v1`, ...flags], options);
}

async function until(condition: () => boolean): Promise<void> {
  const startMs = performance.now();
  while (!condition()) {
    if (performance.now() - startMs > 20_000) throw new Error('it does not happen');
    await sleep(10);
  }
}

describe.skipIf(process.getuid?.() !== 0 || !(await hasNativeLocks()))(
  '§1.3 row 20: a lock file of mode 0640 in a group’s cache',
  () => {
    it('goes when its holder is dead: six processes fetch the layer once, and what nobody wants is cleared too', async () => {
      for (const name of [layer().hash, ADMISSION, UNWANTED])
        await group.plant('ann', `.clipctl/v1/locks/${name}.lock`, { text: '', mode: 0o640 });
      const members = ['bob', 'ann', 'bob', 'ann', 'bob', 'bob'] as const;
      for (const { code, stderr } of await Promise.all(members.map((member) => warm(member, 'image'))))
        expect(code, stderr).toBe(0);
      expect(blobs().length).toBe(1);
      expect(await readdir(locks)).toEqual([]);
      expect(await wrongFilesIn(group.cacheDir)).toEqual([]);
      expect(await cachedLayers(group)).toContain(layer().hash);
    });

    it('stays while its holder lives: another waits for that one, and takes over within 2 seconds of its death', async () => {
      registry.script = ({ path }) => (path.endsWith(layer().digest) && blobs().length === 1 ? { stallAt: 2 * MIB } : undefined);
      const stop = new AbortController();
      const holder = warm('ann', 'image', { signal: stop.signal, killSignal: 'SIGKILL' });
      await until(() => (blobs()[0]?.bytesServed ?? 0) >= 2 * MIB);
      for (const kind of ['lock', 'lease']) await chmod(join(locks, `${layer().hash}.${kind}`), 0o640);
      const { ino } = await lstat(join(locks, `${layer().hash}.lock`));
      const waiter = warm('bob', 'image');
      await sleep(1500);
      expect(blobs().length).toBe(1);
      expect((await lstat(join(locks, `${layer().hash}.lock`))).ino).toBe(ino);
      stop.abort();
      const stoppedMs = performance.now();
      await until(() => blobs().length > 1);
      expect(performance.now() - stoppedMs).toBeLessThan(2000);
      await holder;
      const { code, stderr } = await waiter;
      expect(code, stderr).toBe(0);
      expect(stderr).toMatch(/waiting: lock pid \d+ \(clipctl warm\) on /);
      expect(await readdir(locks)).toEqual([]);
    });

    it('that can’t be read either is named with exit 8', async () => {
      await group.plant('ann', `.clipctl/v1/locks/${layer().hash}.lock`, { text: '', mode: 0o600 });
      const { code, stderr } = await warm('bob', 'image');
      expect(code).toBe(8);
      expect(stderr).toContain(`${layer().hash}: EACCES`);
    });
  },
);
