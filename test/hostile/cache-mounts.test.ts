/** A file system of its own mounted where the cache directory keeps what is under way: nothing could get its name in one step. */
import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const LAYOUT = fileURLToPath(new URL('../fixtures/odd-gzip/oci', import.meta.url));

let home: Home;
let registry: LoopbackRegistry;
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({ repositories: { app: LAYOUT } });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

/** With a tmpfs below the cache directory. */
async function runMounted(...args: readonly string[]): Promise<{ readonly code: number | null; readonly said: string }> {
  const mounted = join(home.cacheDir, '.clipctl');
  await mkdir(mounted, { recursive: true });
  const command = [process.execPath, BIN, ...args, '--cache-dir', home.cacheDir];
  const [file = '', ...rest] = inMountNamespace(`mount -t tmpfs -o size=64m,mode=700 none '${mounted}'`, command);
  const env = { PATH: process.env['PATH'] ?? '', HOME: home.path('') };
  return new Promise((resolve) => {
    const child = execFile(file, rest, { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode, said: stdout + stderr });
    });
  });
}

describe.skipIf(!canMount)('a .clipctl on another file system than the layers', () => {
  it('is refused by warm with 8 before any layer is asked for', async () => {
    const { code, said } = await runMounted('warm', `${registry.host}/app:v1`, '--progress', 'none');
    expect([code, said]).toEqual([8, expect.stringContaining(`is on another file system than ${home.cacheDir}`)]);
    expect(registry.requests.filter(({ path }) => path.includes('/blobs/')).length).toBeLessThanOrEqual(1);
    expect(await readdir(home.cacheDir)).toEqual(['.clipctl']);
  });

  it('is read all the same', async () => {
    expect(await runMounted('cache', 'ls')).toMatchObject({ code: 0 });
  });
});
