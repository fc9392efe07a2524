/** RELIABILITY §1.3 row 20: in a shared directory another user swaps names for links, fifos and directories while a warm runs. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { cachedLayers } from '../e2e/cache-state.ts';

const ATTACK = fileURLToPath(new URL('./swap-names-process.js', import.meta.url));
const SOMEBODY = 4321;
const RUNS = 5;
/** Named like what a transfer has. */
const OUTSIDE = ['ahead', 'granted', 'journal', 'layer', 'spool'];
const TIMEOUT_MS = 240_000;

let home: Home;
let reference: string;
let secret: string;
let own: string;
let outside: string;
beforeAll(async () => {
  home = await makeHome();
  reference = (await makeMixedImage(home.path('image'), 300_000)).reference;
  secret = home.path('secret');
  own = home.path('own');
  await writeFile(secret, 'a secret', { mode: 0o600 });
  await writeFile(own, 'of somebody else', { mode: 0o666 });
  await chown(own, SOMEBODY, 0);
  outside = home.path('outside');
  await mkdir(outside, { mode: 0o700 });
  for (const name of OUTSIDE) await writeFile(join(outside, name), 'outside', { mode: 0o600 });
  await openToGroup();
});
afterAll(() => home.remove());

/** Whoever is in the group comes as far as the cache. */
async function openToGroup(): Promise<void> {
  await mkdir(home.cacheDir, { recursive: true });
  for (const path of [home.dir, join(home.cacheDir, '..')]) await chmod(path, 0o755);
  await chmod(home.cacheDir, 0o2775);
}

const warm = (): ReturnType<Home['run']> =>
  home.run(['warm', reference, '--shared', '--lock-timeout', '2s', '--min-free', '0'], { hangMs: 60_000 });

async function startAttack(): Promise<ChildProcess> {
  const code = await readFile(ATTACK, 'utf8');
  const child = spawn(process.execPath, ['--input-type=module', '-e', code, home.cacheDir, secret, own, outside], {
    uid: SOMEBODY,
    gid: 0,
    cwd: '/',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

/** What the attack has put there, and left. */
async function cleanUp(): Promise<void> {
  const folders = ['ingest', 'locks', 'leases', 'layers'].map((name) => join(home.cacheDir, '.clipctl/v1', name));
  for (const folder of [home.cacheDir, ...folders]) {
    for (const name of await readdir(folder).catch(() => []))
      if (name !== '.clipctl') await rm(join(folder, name), { recursive: true, force: true });
  }
}

describe.skipIf(process.getuid?.() !== 0)('§1.3 row 20: another user swaps the names of a shared cache', () => {
  it(
    'a warm ends with 0 or 8, waits for no fifo, and touches nothing outside; without the attack all is right',
    async () => {
      expect((await warm()).code).toBe(0);
      const attack = await startAttack();
      const codes: number[] = [];
      const messages: string[] = [];
      try {
        for (let run = 0; run < RUNS; run += 1) {
          const { code, stderr } = await warm();
          codes.push(code);
          if (code !== 0) messages.push(stderr);
        }
      } finally {
        const ended = once(attack, 'close');
        attack.kill('SIGKILL');
        await ended;
      }
      expect(
        codes.filter((code) => code !== 0 && code !== 8),
        messages.join('\n'),
      ).toEqual([]);
      expect(await readFile(secret, 'utf8')).toBe('a secret');
      expect((await stat(secret)).mode & 0o777).toBe(0o600);
      expect(await readFile(own, 'utf8')).toBe('of somebody else');
      expect((await stat(own)).mode & 0o777).toBe(0o644);
      expect((await readdir(outside)).sort()).toEqual(OUTSIDE);
      for (const name of OUTSIDE) expect(await readFile(join(outside, name), 'utf8')).toBe('outside');
      await cleanUp();
      const after = await warm();
      expect(after.code, after.stderr).toBe(0);
      expect((await cachedLayers(home)).length).toBe(3);
      expect(await wrongFilesIn(home.cacheDir)).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
