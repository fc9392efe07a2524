/** RELIABILITY §2 row 11: a warm into a file system of 64 MiB. */
import { execFile } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { canMount, inMountNamespace } from '../cache/cache-process.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;

let home: string;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-full-'));
});
afterEach(async () => {
  await registry?.close();
  await rm(home, { recursive: true, force: true });
});

interface FullDisk {
  readonly code: number;
  readonly stderr: string;
  /** Disk blocks in use afterwards. */
  readonly usedBytes: number;
  readonly layerRequests: number;
}

async function warmOnTmpfs(layer: MadeLayer): Promise<FullDisk> {
  const image = await makeLayout(join(home, 'image'), [layer]);
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  const cacheDir = join(home, 'cache');
  await mkdir(cacheDir, { mode: 0o700 });
  const warm = [process.execPath, BIN, 'warm', `${registry.host}/app:v1`, '--progress', 'none', '--min-free', '0'];
  const script = `"$@"; r=$?; du -s --block-size=1 '${cacheDir}' >'${home}/used'; exit $r`;
  const command = ['sh', '-c', script, 'sh', ...warm, '--cache-dir', cacheDir, '--max-cache-size', '1GiB'];
  const [file = '', ...args] = inMountNamespace(`mount -t tmpfs -o size=64m,mode=700 none '${cacheDir}'`, command);
  const { code, stderr } = await new Promise<{ code: number; stderr: string }>((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: home };
    const child = execFile(file, args, { env, timeout: 60_000 }, (_error, _stdout, said) => {
      resolve({ code: child.exitCode ?? -1, stderr: said });
    });
  });
  return {
    code,
    stderr,
    usedBytes: Number.parseInt(await readFile(join(home, 'used'), 'utf8'), 10),
    layerRequests: registry.requests.filter(({ path }) => path.endsWith(image.layers[0]?.digest ?? '')).length,
  };
}

describe.skipIf(!canMount)('row 11: a warm into 64 MiB', () => {
  it('of a layer that is known not to fit ends with 8 before a byte of it is asked for', async () => {
    const noise = seededContent(1, 80 * MIB).slice(0, 80 * MIB);
    const { code, stderr, layerRequests } = await warmOnTmpfs({ files: { 'a.bin': noise }, compression: 'none' });
    expect({ code, layerRequests }).toEqual({ code: 8, layerRequests: 0 });
    expect(stderr).toMatch(/not enough space in .*: \d+ bytes needed, \d+ free/);
    expect(stderr).toContain('clipctl cache prune');
  });

  it('of a layer that turns out too large ends with 8 and gives the space back', async () => {
    const zeros = Buffer.alloc(100 * MIB);
    const { code, stderr, usedBytes, layerRequests } = await warmOnTmpfs({ files: { 'a.bin': zeros } });
    expect({ code, layerRequests }).toEqual({ code: 8, layerRequests: 1 });
    expect(stderr).toContain('[STORAGE_FULL]');
    expect(usedBytes).toBeLessThan(MIB);
  });

  it('evicts what was not used for long, and goes on', async () => {
    const noise = (seed: number): Buffer => Buffer.from(seededContent(seed, 36 * MIB).slice(0, 36 * MIB));
    const layers = [2, 3].map((seed): MadeLayer => ({ files: { 'a.bin': noise(seed) }, compression: 'none' }));
    const images = await Promise.all(layers.map((layer, nth) => makeLayout(join(home, `image-${nth}`), [layer])));
    const cacheDir = join(home, 'cache');
    await mkdir(cacheDir, { mode: 0o700 });
    const warm = (nth: number): string =>
      `'${process.execPath}' '${BIN}' warm '${images[nth]?.reference ?? ''}' --progress none --min-free 0 --max-cache-size 1GiB --cache-dir '${cacheDir}'`;
    const age = `touch -d '1 day ago' '${cacheDir}'/.clipctl/v1/layers/*`;
    const script = `${warm(0)} && ${age} && ${warm(1)} && ls '${cacheDir}' >'${home}/names'`;
    const mount = `mount -t tmpfs -o size=64m,mode=700 none '${cacheDir}'`;
    const [file = '', ...args] = inMountNamespace(mount, ['sh', '-c', script]);
    const code = await new Promise((resolve) => {
      const env = { PATH: process.env['PATH'] ?? '', HOME: home };
      const child = execFile(file, args, { env, timeout: 60_000 }, () => resolve(child.exitCode));
    });
    expect(code).toBe(0);
    const names = (await readFile(join(home, 'names'), 'utf8')).split('\n').filter((name) => name.length === 64);
    expect(names).toEqual([images[1]?.layers[0]?.diffId.slice('sha256:'.length)]);
  });
});
