/** RELIABILITY §2 row 14: a layer that is in use without a descriptor or a lease is not evicted. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cachedLayers } from './cache-state.ts';
import { makeHome, type Home } from './run-cli.ts';

const IMAGE = `oci:${fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url))}`;
/** Maps the file, closes it, says so, and waits. */
const MAPPER = `
import ctypes, os, sys, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
fd = os.open(sys.argv[1], os.O_RDONLY)
libc.mmap(None, 4096, 1, 2, fd, 0)
os.close(fd)
print("mapped", flush=True)
time.sleep(60)
`;

let home: Home;
let used: string;
beforeEach(async () => {
  home = await makeHome();
  expect((await home.run(['warm', IMAGE])).code).toBe(0);
  used = (await cachedLayers(home))[0] ?? '';
  const records = join(home.cacheDir, '.clipctl/v1/layers');
  const then = Date.now() / 1000 - 86_400;
  for (const name of await readdir(records)) await utimes(join(records, name), then, then);
});
afterEach(() => home.remove());

async function keptByPrune(): Promise<string[]> {
  const result = await home.run(['cache', 'prune', '--max-size', '0', '--yes', '--json']);
  expect(result.code).toBe(0);
  return result.json<{ kept: { diffId: string; reason: string }[] }>().kept.map(({ diffId, reason }) => `${diffId} ${reason}`);
}

async function openFilesOf({ pid }: ChildProcess): Promise<string[]> {
  const directory = `/proc/${pid ?? 0}/fd`;
  return Promise.all((await readdir(directory)).map((fd) => readlink(join(directory, fd))));
}

const canMap = spawnSync('python3', ['-c', 'import ctypes']).status === 0;
test.skipIf(!canMap)('a layer that is only mapped into memory stays until the process has ended', async () => {
  const reader: ChildProcess = spawn('python3', ['-c', MAPPER, join(home.cacheDir, used)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(reader.stdout ?? reader, 'data');
    expect(await openFilesOf(reader)).not.toContain(join(home.cacheDir, used));
    expect(await keptByPrune()).toEqual([`sha256:${used} open`]);
    expect(await cachedLayers(home)).toEqual([used]);
  } finally {
    reader.kill();
    await once(reader, 'exit');
  }
  expect(await keptByPrune()).toEqual([]);
  expect(await cachedLayers(home)).toEqual([]);
});

const canLoop = spawnSync('losetup', ['--find'], { stdio: 'ignore' }).status === 0 && process.getuid?.() === 0;
test.skipIf(!canLoop)('a layer behind a loop device stays until that lets go of it', async () => {
  const path = join(home.cacheDir, used);
  const device = execFileSync('losetup', ['--find', '--show', '--read-only', path], { encoding: 'utf8' }).trim();
  try {
    expect(await keptByPrune()).toEqual([`sha256:${used} open`]);
  } finally {
    execFileSync('losetup', ['--detach', device]);
  }
  expect(await keptByPrune()).toEqual([]);
  expect(await cachedLayers(home)).toEqual([]);
});
