/** A file system of its own mounted where the cache directory keeps its own: nothing could get its name in one step. */
import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { ALL_DIRECTORIES } from '../../src/lib/cache/disk/own-names.ts';
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

/** With a tmpfs at `name` below the cache directory. */
async function runMounted(
  name: string,
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly said: string }> {
  const mounted = join(home.cacheDir, name);
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

const OWN_NAMES = ['.clipctl', ...['', ...ALL_DIRECTORIES].map((name) => join('.clipctl/v1', name))];

describe.skipIf(!canMount)('a directory of ours on another file system than the layers', () => {
  it.each(OWN_NAMES)('is refused by warm with 8 before any layer is asked for: %s', async (name) => {
    const { code, said } = await runMounted(name, ['warm', `${registry.host}/app:v1`, '--progress', 'none']);
    const path = join(home.cacheDir, name);
    expect([code, said]).toEqual([8, expect.stringContaining(`${path} is on another file system than ${home.cacheDir}`)]);
    expect(registry.requests.filter((request) => request.path.includes('/blobs/')).length).toBeLessThanOrEqual(1);
    expect(await readdir(home.cacheDir)).toEqual(['.clipctl']);
  });

  it.each(['.clipctl/v1/layers', '.clipctl/v1/trash'])('is told of by doctor: %s', async (name) => {
    const { said } = await runMounted(name, ['doctor', '--json']);
    expect(said).toContain('is on another file system than');
  });

  it.each(['.clipctl', '.clipctl/v1/layers', '.clipctl/v1/trash'])('is read all the same: %s', async (name) => {
    expect(await runMounted(name, ['cache', 'ls'])).toMatchObject({ code: 0 });
  });
});
