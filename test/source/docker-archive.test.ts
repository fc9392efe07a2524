import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import type { OpenSourceOptions } from '../../src/lib/source/open-source.ts';
import { readAll } from '../conformance/image-source.ts';
import { layoutOf, openForTest } from './open-for-test.ts';

const signal = new AbortController().signal;
const opened: ImageSource[] = [];
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'clipctl-docker-archive-'));
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((source) => source.close()));
});
afterAll(() => rm(folder, { recursive: true }));

function open(name: string, options: Partial<OpenSourceOptions> = {}): ImageSource {
  const source = openForTest(name, { archives: { spoolDirectory: join(folder, 'spool') }, ...options });
  opened.push(source);
  return source;
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

interface Saved {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

let written = 0;

/** Packs files the way `docker save` does, manifest.json last. */
async function pack(name: string, fill: (directory: string) => Promise<readonly Saved[]>): Promise<string> {
  const directory = join(folder, `${name}-${++written}`);
  await mkdir(directory);
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(await fill(directory)));
  const file = join(folder, `${name}-${written}.tar`);
  execFileSync('tar', ['-cf', file, '-C', directory, '.']);
  return file;
}

/** Two plain layers and their config, as old dockers name them: `<id>/layer.tar`. */
async function plainLayers(directory: string): Promise<{ config: string; diffIds: string[] }> {
  const layers = [Buffer.alloc(1024), Buffer.alloc(2048, 0)];
  await mkdir(join(directory, 'a'));
  await mkdir(join(directory, 'b'));
  await writeFile(join(directory, 'a/layer.tar'), layers[0] ?? '');
  await writeFile(join(directory, 'b/layer.tar'), layers[1] ?? '');
  const diffIds = layers.map((bytes) => `sha256:${sha256(bytes)}`);
  const config = Buffer.from(
    JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: diffIds } }),
  );
  const name = `${sha256(config)}.json`;
  await writeFile(join(directory, name), config);
  return { config: name, diffIds };
}

describe('what docker save writes', () => {
  test('plain layers are known by their diffID, and read in place', async () => {
    const file = await pack('plain', async (directory) => {
      const { config } = await plainLayers(directory);
      return [{ Config: config, RepoTags: ['lab/app:v1'], Layers: ['a/layer.tar', 'b/layer.tar'] }];
    });
    const source = open(`docker-archive:${file}`);
    const image = await source.resolve({ signal });
    expect(source.kind).toBe('archive');
    expect(image.origin).toBeUndefined();
    expect(image.layers.map(({ digest }) => digest)).toEqual(image.layers.map(({ diffId }) => diffId));
    for (const layer of image.layers) expect(`sha256:${sha256(await readAll(source, layer))}`).toBe(layer.digest);
    const again = await open(`docker-archive:${file}:lab/app:v1`).resolve({ signal });
    expect(again.manifestDigest).toBe(image.manifestDigest);
  });

  test('a layer that is a link to another one is that one', async () => {
    const file = await pack('links', async (directory) => {
      const { config } = await plainLayers(directory);
      await rm(join(directory, 'b/layer.tar'));
      await symlink('../a/layer.tar', join(directory, 'b/layer.tar'));
      return [{ Config: config, RepoTags: null, Layers: ['a/layer.tar', 'b/layer.tar'] }];
    });
    const source = open(`docker-archive:${file}`);
    const [first, second] = (await source.resolve({ signal })).layers;
    if (first === undefined || second === undefined) throw new Error('no layers');
    expect(second.sizeBytes).toBe(first.sizeBytes);
  });

  test('an archive of docker 25 and later, with compressed blobs, keeps their digests', async () => {
    const file = await pack('blobs', async (directory) => {
      const layout = layoutOf('odd-gzip');
      await cp(join(layout, 'blobs'), join(directory, 'blobs'), { recursive: true });
      const index = JSON.parse(await readFile(join(layout, 'index.json'), 'utf8')) as { manifests: { digest: string }[] };
      const blob = (digest: string): string => `blobs/sha256/${digest.replace('sha256:', '')}`;
      const manifest = JSON.parse(await readFile(join(layout, blob(index.manifests[0]?.digest ?? '')), 'utf8')) as {
        config: { digest: string };
        layers: { digest: string }[];
      };
      return [
        { Config: blob(manifest.config.digest), RepoTags: ['x:1'], Layers: manifest.layers.map(({ digest }) => blob(digest)) },
      ];
    });
    const fromLayout = await open(`oci:${layoutOf('odd-gzip')}`).resolve({ signal });
    const fromArchive = await open(`docker-archive:${file}`).resolve({ signal });
    expect(fromArchive.layers.map(({ digest, diffId, sizeBytes }) => ({ digest, diffId, sizeBytes }))).toEqual(
      fromLayout.layers.map(({ digest, diffId, sizeBytes }) => ({ digest, diffId, sizeBytes })),
    );
    expect(fromArchive.configDigest).toBe(fromLayout.configDigest);
  });

  test('`-` reads it from stdin, whole, and leaves no copy behind', async () => {
    const file = await pack('stdin', async (directory) => {
      const { config } = await plainLayers(directory);
      return [{ Config: config, RepoTags: ['lab/app:v1'], Layers: ['a/layer.tar', 'b/layer.tar'] }];
    });
    const archives = { spoolDirectory: join(folder, 'spool'), stdin: createReadStream(file) };
    const source = open('docker-archive:-', { archives });
    const image = await source.resolve({ signal });
    for (const layer of image.layers) expect((await readAll(source, layer)).byteLength).toBe(layer.sizeBytes);
    expect(execFileSync('ls', ['-A', join(folder, 'spool')], { encoding: 'utf8' })).toBe('');
  });

  test('one of several images is chosen by its name, short forms included; without one they are listed', async () => {
    const file = await pack('several', async (directory) => {
      const { config } = await plainLayers(directory);
      const Layers = ['a/layer.tar', 'b/layer.tar'];
      return [
        { Config: config, RepoTags: ['alpine:3.20'], Layers },
        { Config: config, RepoTags: ['ghcr.io/org/app:v2', 'app:latest'], Layers },
      ];
    });
    expect((await open(`docker-archive:${file}:docker.io/library/alpine:3.20`).resolve({ signal })).layers).toHaveLength(2);
    expect((await open(`docker-archive:${file}:app`).resolve({ signal })).layers).toHaveLength(2);
    await expect(open(`docker-archive:${file}`).resolve({ signal })).rejects.toMatchObject({
      code: 'REFERENCE_INVALID',
      message: expect.stringContaining('"alpine:3.20", "ghcr.io/org/app:v2"') as string,
    });
    await expect(open(`docker-archive:${file}:nope`).resolve({ signal })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  });
});

describe('an archive that is wrong', () => {
  const plain = async (directory: string, change: Partial<Saved> = {}): Promise<readonly Saved[]> => {
    const { config } = await plainLayers(directory);
    return [{ Config: config, RepoTags: ['x:1'], Layers: ['a/layer.tar', 'b/layer.tar'], ...change }];
  };

  test.each<[string, Partial<Saved>, string]>([
    ['names a layer that is not there', { Layers: ['a/layer.tar', 'c/layer.tar'] }, 'BLOB_NOT_FOUND'],
    ['names a layer outside of it', { Layers: ['a/layer.tar', '../../../../etc/passwd'] }, 'BLOB_NOT_FOUND'],
    ['has another number of layers than its config', { Layers: ['a/layer.tar'] }, 'LAYOUT_INVALID'],
    ['names a directory as a layer', { Layers: ['a', 'b/layer.tar'] }, 'LAYOUT_INVALID'],
  ])('because it %s is refused', async (_what, change, code) => {
    const file = await pack('wrong', (directory) => plain(directory, change));
    await expect(open(`docker-archive:${file}`).resolve({ signal })).rejects.toMatchObject({ code });
  });

  test('whose config is not the one its name says is DIGEST_MISMATCH', async () => {
    const file = await pack('config', async (directory) => {
      const [image] = await plain(directory);
      const other = `${'0'.repeat(64)}.json`;
      await cp(join(directory, image?.Config ?? ''), join(directory, other));
      return [{ Config: other, RepoTags: null, Layers: image?.Layers ?? [] }];
    });
    await expect(open(`docker-archive:${file}`).resolve({ signal })).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
  });

  test('because its links go round in circles is LAYOUT_INVALID', async () => {
    const file = await pack('circle', async (directory) => {
      const [image] = await plain(directory);
      await rm(join(directory, 'a/layer.tar'));
      await symlink('../b/layer.tar', join(directory, 'a/layer.tar'));
      await rm(join(directory, 'b/layer.tar'));
      await symlink('../a/layer.tar', join(directory, 'b/layer.tar'));
      return image === undefined ? [] : [image];
    });
    await expect(open(`docker-archive:${file}`).resolve({ signal })).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
  });

  test('because it was cut is TAR_INVALID, as gzip LAYER_CORRUPT', async () => {
    const file = await pack('cut', (directory) => plain(directory));
    const bytes = await readFile(file);
    await writeFile(join(folder, 'cut.tar'), bytes.subarray(0, 700));
    await expect(open(`docker-archive:${join(folder, 'cut.tar')}`).resolve({ signal })).rejects.toMatchObject({
      code: 'TAR_INVALID',
    });
    execFileSync('gzip', ['-kf', file]);
    const packed = await readFile(`${file}.gz`);
    await writeFile(join(folder, 'cut.tar.gz'), packed.subarray(0, packed.length - 20));
    await expect(open(`docker-archive:${join(folder, 'cut.tar.gz')}`).resolve({ signal })).rejects.toMatchObject({
      code: 'LAYER_CORRUPT',
    });
  });

  test('because it unpacks to more than is allowed is stopped, and nothing of it stays', async () => {
    const bomb = join(folder, 'bomb.tar.gz');
    execFileSync('sh', ['-c', `head -c 50000000 /dev/zero | gzip > ${bomb}`]);
    const archives = { spoolDirectory: join(folder, 'spool'), maxBytes: 1_000_000 };
    await expect(open(`docker-archive:${bomb}`, { archives }).resolve({ signal })).rejects.toMatchObject({
      code: 'LIMIT_LAYER_SIZE',
    });
    expect(execFileSync('ls', ['-A', join(folder, 'spool')], { encoding: 'utf8' })).toBe('');
  });

  test('because it is something else says what to write instead', async () => {
    const layout = join(folder, 'layout.tar');
    execFileSync('tar', ['-cf', layout, '-C', layoutOf('odd-plain'), '.']);
    await expect(open(`docker-archive:${layout}`).resolve({ signal })).rejects.toMatchObject({
      code: 'LAYOUT_INVALID',
      hint: expect.stringContaining('oci-archive:') as string,
    });
    await expect(open(`docker-archive:${join(folder, 'nowhere.tar')}`).resolve({ signal })).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
    });
    await expect(open(`docker-archive:${folder}`).resolve({ signal })).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
  });
});
