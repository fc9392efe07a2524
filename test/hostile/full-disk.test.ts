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
import type { LayerCompression } from '../servers/layout-writer.ts';
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
  /** What is left of transfers. */
  readonly partialFiles: string;
}

/** Of 32 MiB each. */
function eightLayers(compression: LayerCompression): MadeLayer[] {
  return Array.from({ length: 8 }, (_, nth) => ({ files: { 'a.bin': Buffer.alloc(32 * MIB, nth) }, compression }));
}

function noiseOf(seed: number): Buffer {
  return Buffer.from(seededContent(seed, 36 * MIB).slice(0, 36 * MIB));
}

async function warmOnTmpfs(layers: readonly MadeLayer[]): Promise<FullDisk> {
  const image = await makeLayout(await mkdtemp(join(home, 'image-')), layers);
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  const cacheDir = join(home, 'cache');
  await mkdir(cacheDir, { mode: 0o700, recursive: true });
  const warm = [process.execPath, BIN, 'warm', `${registry.host}/app:v1`, '--progress', 'none', '--min-free', '0'];
  const script = `"$@"; r=$?; du -s --block-size=1 '${cacheDir}' >'${home}/used'; ls '${cacheDir}/.clipctl/v1/ingest' >'${home}/partial'; exit $r`;
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
    layerRequests: registry.requests.filter(({ path }) => image.layers.some(({ digest }) => path.endsWith(digest))).length,
    partialFiles: (await readFile(join(home, 'partial'), 'utf8')).trim(),
  };
}

describe.skipIf(!canMount)('§2 row 11: a warm into 64 MiB', () => {
  it('of eight layers that are known not to fit ends with 8 before a byte of one is asked for', async () => {
    const { code, stderr, layerRequests } = await warmOnTmpfs(eightLayers('none'));
    expect({ code, layerRequests }).toEqual({ code: 8, layerRequests: 0 });
    expect(stderr).toMatch(/not enough space in .*: \d+ bytes needed, \d+ free/);
    expect(stderr).toContain('clipctl cache prune');
  });

  it('of a layer that turns out too large ends with 8 and gives the space back', async () => {
    const zeros = Buffer.alloc(100 * MIB);
    const { code, stderr, usedBytes, layerRequests } = await warmOnTmpfs([{ files: { 'a.bin': zeros } }]);
    expect({ code, layerRequests }).toEqual({ code: 8, layerRequests: 1 });
    expect(stderr).toMatch(/not enough space in .*: more than \d+ bytes needed, \d+ free.*\[STORAGE_FULL\]/);
    expect(stderr).toContain('clipctl cache prune');
    expect(usedBytes).toBeLessThan(MIB);
  });

  it('of eight layers that turn out not to fit ends with 8, and no part of a layer is left', async () => {
    const { code, stderr, partialFiles } = await warmOnTmpfs(eightLayers('gzip'));
    expect({ code, partialFiles }).toEqual({ code: 8, partialFiles: '' });
    // The layer named may have grown too large, or have begun when the others had left too little for it.
    // What it lacked may have been on disk, or promised to the layer beside it.
    expect(stderr).toMatch(/\d+ bytes needed, (\d+ free|and \d+ bytes are promised to \d other layer).*\[STORAGE_FULL\]/);
  });

  it.each<[string, MadeLayer]>([
    ['that is known to need its place', { files: { 'a.bin': Buffer.from(noiseOf(3)) }, compression: 'none' }],
    ['that turns out to need its place', { files: { 'a.bin': Buffer.alloc(48 * MIB) } }],
  ])('evicts what was not used for long for a layer %s, and goes on', async (_which, layer) => {
    const { code, left, images } = await warmOneAfterTheOther([OLD, layer], '--min-free 0 --max-cache-size 1GiB');
    expect([code, left]).toEqual([0, [images[1]]]);
  });

  it('evicts for the free-space floor, which holds afterwards, although there is room and the cap is far', async () => {
    const small: MadeLayer = { files: { 'a.bin': noiseOf(3).subarray(0, 12 * MIB) }, compression: 'none' };
    const { code, left, images, freeBytes } = await warmOneAfterTheOther([OLD, small], '--min-free 20MiB --max-cache-size 1GiB');
    expect([code, left]).toEqual([0, [images[1]]]);
    expect(freeBytes).toBeGreaterThan(20 * MIB);
    const kept = await warmOneAfterTheOther([OLD, small], '--min-free 8MiB --max-cache-size 1GiB');
    expect([kept.code, kept.left.length]).toEqual([0, 2]);
  });

  it('by default takes no more than half of the file system, and leaves a quarter of a small one free', async () => {
    const small: MadeLayer = { files: { 'a.bin': noiseOf(3).subarray(0, 12 * MIB) }, compression: 'none' };
    const half = await warmOneAfterTheOther([{ ...small, files: { 'b.bin': noiseOf(2).subarray(0, 24 * MIB) } }, small], '');
    expect([half.code, half.left]).toEqual([0, [half.images[1]]]);
    const refused = await warmOneAfterTheOther([OLD], '');
    expect([refused.code, refused.left]).toEqual([8, []]);
  });

  it.each([
    ['half of the file system', ''],
    ['the free-space floor leaves', '--min-free 20MiB --max-cache-size 1GiB'],
  ])('refuses a layer that turns out larger than %s with 8, and gives the space back', async (_what, flags) => {
    const zeros: MadeLayer = { files: { 'a.bin': Buffer.alloc(50 * MIB) } };
    const { code, left, freeBytes } = await warmOneAfterTheOther([zeros], flags);
    expect([code, left]).toEqual([8, []]);
    expect(freeBytes).toBeGreaterThan(63 * MIB);
  });
});

const OLD: MadeLayer = { files: { 'a.bin': noiseOf(2) }, compression: 'none' };

interface WarmedInTurn {
  readonly code: number;
  /** Layers of 64 MiB afterwards, sorted. */
  readonly left: readonly string[];
  /** The one layer of each image. */
  readonly images: readonly string[];
  readonly freeBytes: number;
}

/** Images of one layer each are warmed; before each, what is there was last used a day ago. */
async function warmOneAfterTheOther(layers: readonly MadeLayer[], flags: string): Promise<WarmedInTurn> {
  const folder = await mkdtemp(join(home, 'turns-'));
  const images = await Promise.all(layers.map((each, nth) => makeLayout(join(folder, `image-${nth}`), [each])));
  const cacheDir = join(folder, 'cache');
  await mkdir(cacheDir, { mode: 0o700 });
  const age = `touch -d '1 day ago' '${cacheDir}'/.clipctl/v1/layers/*`;
  const warms = images.map(
    ({ reference }) => `'${process.execPath}' '${BIN}' warm '${reference}' --progress none ${flags} --cache-dir '${cacheDir}'`,
  );
  const look = `r=$?; ls '${cacheDir}' >'${folder}/names'; df --output=avail -B1 '${cacheDir}' >'${folder}/free'; exit $r`;
  const script = `{ ${warms.join(` && ${age} && `)}; }; ${look}`;
  const mount = `mount -t tmpfs -o size=64m,mode=700 none '${cacheDir}'`;
  const [file = '', ...args] = inMountNamespace(mount, ['sh', '-c', script]);
  const code = await new Promise<number>((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: home };
    const child = execFile(file, args, { env, timeout: 60_000 }, () => resolve(child.exitCode ?? -1));
  });
  return {
    code,
    left: (await readFile(join(folder, 'names'), 'utf8')).split('\n').filter((name) => name.length === 64),
    images: images.map((image) => image.layers[0]?.diffId.slice('sha256:'.length) ?? ''),
    freeBytes: Number((await readFile(join(folder, 'free'), 'utf8')).split('\n')[1]),
  };
}
