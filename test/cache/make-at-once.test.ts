/** RELIABILITY §1.3 row 20: while a group's directories are made, another member swaps the name that they have until then. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { prepareCacheDirectory } from '../../src/lib/cache/disk/cache-layout.ts';
import { ALL_DIRECTORIES } from '../../src/lib/cache/disk/own-names.ts';
import { codeOf } from './cache-directory.ts';
import { openHandlesIn } from './open-handles.ts';

const SWAPS = 10;
/** The other process has to see a name within the time that the directories take. */
const MAX_TRIES = 3000;

/** Each name that stands there only until all is made goes away, and something of this user comes to stand there. */
const OTHER_MEMBER = `
const { readdirSync, renameSync, symlinkSync } = require('node:fs');
const [cacheDir, away, outside, kind] = process.argv.slice(1);
const seen = new Set();
process.stdout.write('ready');
for (;;) {
  for (const name of readdirSync(cacheDir)) {
    if (!/^\\.\\.clipctl\\.[0-9a-f]{16}$/.test(name) || seen.has(name)) continue;
    seen.add(name);
    try {
      renameSync(cacheDir + '/' + name, away + '/' + name);
      if (kind === 'link') symlinkSync(outside, cacheDir + '/' + name);
      else renameSync(outside, cacheDir + '/' + name);
    } catch (error) {
      if (error.code !== 'ENOENT') throw error;
    }
  }
}
`;

let dir: string;
let cacheDir: string;
let outside: string;
let other: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-at-once-'));
  cacheDir = join(dir, 'cache');
  outside = join(dir, 'outside');
  for (const path of [cacheDir, outside, join(dir, 'away')]) await mkdir(path, { mode: 0o700 });
  await chmod(cacheDir, 0o2770);
});
afterEach(async () => {
  other?.kill('SIGKILL');
  expect(await openHandlesIn(dir)).toEqual([]);
  await rm(dir, { recursive: true, force: true });
});

async function stateOf(directory: string): Promise<readonly unknown[]> {
  const names = (await readdir(directory, { recursive: true })).sort().concat('.');
  return Promise.all(
    names.map(async (name) => {
      const { ino, mode, mtimeMs, nlink } = await lstat(join(directory, name));
      return [name, { ino, mode, mtimeMs, nlink }] as const;
    }),
  );
}

/** Takes away what was made, and puts back what the other has brought. @returns whether it had brought something */
async function tidy(outsideInode: number): Promise<boolean> {
  let isSwapped = false;
  for (const name of await readdir(cacheDir)) {
    const path = join(cacheDir, name);
    const found = await lstat(path);
    isSwapped ||= found.isSymbolicLink() || found.ino === outsideInode;
    if (found.ino === outsideInode) await rename(path, outside);
    else await rm(path, { recursive: true });
  }
  return isSwapped;
}

it.each([
  ['link', 'to an empty directory', []],
  ['link', 'to a private cache with empty directories', ALL_DIRECTORIES],
  ['directory', 'with empty directories', ALL_DIRECTORIES],
])(
  'a %s %s, put in the place of what is being made, stays as it is',
  async (kind, _, names) => {
    for (const name of names) await mkdir(join(outside, 'v1', name), { recursive: true, mode: 0o700 });
    const before = await stateOf(outside);
    const { ino } = await lstat(outside);
    other = spawn(process.execPath, ['-e', OTHER_MEMBER, cacheDir, join(dir, 'away'), outside, kind], { stdio: 'pipe' });
    if (other.stdout !== null) await once(other.stdout, 'data');
    let swaps = 0;
    for (let tries = 0; swaps < SWAPS && tries < MAX_TRIES; tries += 1) {
      const code = await codeOf(prepareCacheDirectory(cacheDir, { shared: true }));
      if (await tidy(ino)) swaps += 1;
      expect([undefined, 'STORAGE_ERROR']).toContain(code);
      expect(await stateOf(outside)).toEqual(before);
    }
    expect(swaps).toBe(SWAPS);
  },
  60_000,
);
