import { describe, expect, it } from 'vitest';
import { byteStringFromText, type ByteString } from '../../src/lib/byte-string.ts';
import { ZERO_TIME_SECONDS, type ClipFile } from '../../src/lib/clip/clip-file.ts';
import type { ClipImage } from '../../src/lib/clip/compose-metadata.ts';
import { composeClip, type DecodedLayer } from '../../src/lib/clip/compose.ts';
import { mergeLayers } from '../../src/lib/layer-index/merge.ts';
import type { ImageConfig } from '../../src/lib/oci/image-config.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import { dir, entry, file, layerDigest, layersOf, link, symlink } from '../layer-index/layers.ts';

const MANIFEST = layerDigest(0xabc);

const config: ImageConfig = {
  architecture: 'arm64',
  os: 'linux',
  variant: 'v8',
  created: '2024-01-02T03:04:05.5Z',
  diffIds: [],
  env: ['A=b'],
  cmd: ['c'],
  entrypoint: ['/e'],
  user: '1:2',
  workingDir: '/w',
  labels: new Map([['k', 'v']]),
  exposedPorts: ['80/tcp'],
  volumes: ['/v'],
  stopSignal: 'SIGTERM',
  createdBy: [],
};

function imageOf(digests: readonly Digest[], fields: Partial<ClipImage> = {}): ClipImage {
  const mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip';
  const annotations = new Map([['note', 'x']]);
  const layers = digests.map((digest) => ({ mediaType, digest, diffId: digest, sizeBytes: 7, annotations, urls: [] }));
  return { manifestDigest: MANIFEST, config, layers, ...fields };
}

function decoded(digest: Digest, fields: Partial<DecodedLayer> = {}): DecodedLayer {
  return {
    ...{ digest, diffId: layerDigest(0xd1ff), compression: 'gzip', compressedBytes: 7, uncompressedBytes: 1024 },
    ...{ checkpoints: [], zstdFrames: [], contentDigests: new Uint8Array(32).fill(1) },
    ...fields,
  };
}

function compose(entries: readonly TarEntry[], request: Partial<Parameters<typeof composeClip>[0]> = {}): ClipFile {
  const tree = mergeLayers(layersOf(entries));
  const clip = composeClip({ tree, image: imageOf([layerDigest(0)]), layers: [decoded(layerDigest(0))], ...request });
  return { ...clip, nodes: [...clip.nodes] };
}

const nodeAt = (clip: ClipFile, path: string) => clip.nodes.find((node) => node.path === path);
const extraAt = (clip: ClipFile, path: string) => clip.extension?.entries.find((found) => found.path === path);

describe('nodes', () => {
  it('a file has its place, its blocks and the times that the tar has', () => {
    const node = nodeAt(compose([file('f', 513, { payloadOffset: 1536, mtime: { seconds: -86400, nanoseconds: 5 } })]), '/f');
    expect(node).toMatchObject({ nodeType: 'file', target: '', contentHash: '', dataPos: 0, dataLen: 0 });
    expect(node?.remote).toEqual({ layerDigest: layerDigest(0), uncompressedOffset: 1536, length: 513 });
    expect(node?.attr).toMatchObject({ size: 513n, blocks: 2n, mode: 0o100644, nlink: 1, blksize: 0, rdev: 0, padding: 0 });
    expect(node?.attr).toMatchObject({
      mtime: 2n ** 64n - 86400n,
      mtimensec: 5,
      atime: ZERO_TIME_SECONDS,
      ctime: ZERO_TIME_SECONDS,
    });
  });

  it('a directory and a symlink have no place', () => {
    const clip = compose([dir('d', { mode: 0o1777 }), symlink('s', 'tärget')]);
    expect(nodeAt(clip, '/d')).toMatchObject({ nodeType: 'dir', attr: { mode: 0o041777, size: 0n, blocks: 0n, nlink: 2 } });
    expect(nodeAt(clip, '/s')).toMatchObject({ nodeType: 'symlink', attr: { mode: 0o120777, size: 7n, blocks: 0n } });
    expect(nodeAt(clip, '/s')?.target).toBe(byteStringFromText('tärget'));
    expect([nodeAt(clip, '/d')?.remote, nodeAt(clip, '/s')?.remote]).toEqual([undefined, undefined]);
  });

  it('owners beyond 32 bits wrap as in Go', () => {
    const node = nodeAt(compose([file('f', 1, { uid: -2, gid: 2 ** 32 + 5 })]), '/f');
    expect(node?.attr).toMatchObject({ uid: 4294967294, gid: 5 });
  });
});

describe('the extension says of an entry what a node cannot', () => {
  it('nothing, when a node says it all', () => {
    expect(compose([file('f'), dir('d'), symlink('s', 'f')]).extension?.entries).toEqual([]);
  });

  it('devices and fifos, which are no nodes', () => {
    const mtime = { seconds: -1, nanoseconds: 2 };
    const clip = compose([
      entry('character-device', 'null', { mode: 0o666, deviceMajor: 1, deviceMinor: 3, mtime, gid: 6 }),
      entry('block-device', 'b'),
      entry('fifo', 'p'),
    ]);
    expect(clip.nodes.map(({ path }) => path)).toEqual(['/']);
    expect(clip.extension?.entries.map(({ special }) => special?.kind)).toEqual(['block-device', 'character-device', 'fifo']);
    expect(extraAt(clip, '/null')?.special).toEqual({
      ...{ kind: 'character-device', mode: 0o666, uid: 0, gid: 6, mtimeSeconds: -1n, mtimeNanoseconds: 2 },
      ...{ deviceMajor: 1, deviceMinor: 3 },
    });
  });

  it('xattrs and the name a hard link goes to', () => {
    const xattrs = new Map([[byteStringFromText('user.x'), '\xff' as ByteString]]);
    const clip = compose([file('f', 1, { xattrs }), link('l', 'f')]);
    expect(extraAt(clip, '/f')).toEqual({ path: '/f', xattrs });
    expect(extraAt(clip, '/l')).toEqual({ path: '/l', xattrs, hardLinkTo: '/f' });
    expect(nodeAt(clip, '/l')?.attr).toEqual(nodeAt(clip, '/f')?.attr);
    expect(nodeAt(clip, '/l')?.remote).toEqual(nodeAt(clip, '/f')?.remote);
  });

  it('the map of a sparse file, whose node has its logical size and no place', () => {
    const sparse = [{ offset: 4096, length: 4 }];
    const clip = compose([file('s', 8192, { sparse, storedBytes: 4, payloadOffset: 2048 })]);
    expect(nodeAt(clip, '/s')?.attr).toMatchObject({ size: 8192n, blocks: 16n });
    expect(nodeAt(clip, '/s')?.remote).toBeUndefined();
    const remote = { layerDigest: layerDigest(0), uncompressedOffset: 2048, length: 4 };
    expect(extraAt(clip, '/s')?.sparse).toEqual({ regions: sparse, remote });
  });
});

describe('storage info', () => {
  it('of a layout or an archive names no registry and no path', () => {
    const { storageInfo } = compose([]);
    expect(storageInfo).toMatchObject({ registryUrl: '', repository: '', reference: MANIFEST });
    expect(storageInfo.imageMetadata).toMatchObject({ name: '', digest: MANIFEST, repoTags: [] });
  });

  it.each([
    ['with a tag', { registry: 'r.test:5000', repository: 'a/b', tag: 'v1' }, 'r.test:5000/a/b:v1'],
    ['without a tag', { registry: 'r.test', repository: 'a' }, `r.test/a@${MANIFEST}`],
  ])('names where the image came from, %s', (_what, origin, name) => {
    const { storageInfo } = compose([], { image: imageOf([layerDigest(0)], { origin }) });
    expect(storageInfo).toMatchObject({ registryUrl: origin.registry, repository: origin.repository, reference: MANIFEST });
    expect(storageInfo.imageMetadata.name).toBe(name);
  });

  it('names where readers shall go instead, when told (--storage-ref)', () => {
    const image = imageOf([layerDigest(0)], { origin: { registry: 'a', repository: 'b' } });
    const { storageInfo } = compose([], { image, origin: { registry: 'x', repository: 'y', tag: 'z' } });
    expect([storageInfo.registryUrl, storageInfo.repository, storageInfo.imageMetadata.name]).toEqual(['x', 'y', 'x/y:z']);
  });

  it('lists a layer that the image has twice once in the maps', () => {
    const [lower, upper] = [layerDigest(1), layerDigest(2)];
    const image = imageOf([lower, upper, lower]);
    const clip = compose([], { image, layers: [decoded(upper), decoded(lower)] });
    expect(clip.storageInfo.layers).toEqual([lower, upper, lower]);
    expect(clip.storageInfo.imageMetadata.layersData.map(({ digest }) => digest)).toEqual([lower, upper, lower]);
    expect([...clip.storageInfo.decompressedHashByLayer]).toEqual([
      [lower, layerDigest(0xd1ff).slice(7)],
      [upper, layerDigest(0xd1ff).slice(7)],
    ]);
    expect(clip.extension?.layers.map(({ digest }) => digest)).toEqual([lower, upper]);
  });

  it('a layer that was not decoded is our mistake', () => {
    expect(() => compose([], { layers: [] })).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('has for Go only the checkpoints that its gzip reader can start at', () => {
    const window = new Uint8Array(32768);
    const checkpoints = [
      { compressedOffset: 18, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) },
      { compressedOffset: 100, bit: 0, uncompressedOffset: 4000, window },
      { compressedOffset: 200, bit: 0, uncompressedOffset: 8000, window: new Uint8Array(0) },
      { compressedOffset: 300, bit: 3, uncompressedOffset: 9000, window },
    ];
    const clip = compose([], { layers: [decoded(layerDigest(0), { checkpoints })] });
    expect([...clip.storageInfo.gzipIndexByLayer]).toEqual([
      [
        layerDigest(0),
        [
          { compressedOffset: 0, uncompressedOffset: 0 },
          { compressedOffset: 200, uncompressedOffset: 8000 },
        ],
      ],
    ]);
    expect(clip.extension?.layers[0]?.checkpoints).toEqual(checkpoints);
    expect([...clip.storageInfo.zstdIndexByLayer]).toEqual([]);
  });

  it('has the zstd frames that hold content, and no gzip checkpoints for them', () => {
    const frame = { compressedOffset: 0, compressedBytes: 60, uncompressedOffset: 0, uncompressedBytes: 1024 };
    const skippable = { compressedOffset: 60, compressedBytes: 12, uncompressedOffset: 1024, uncompressedBytes: 0 };
    const clip = compose([], { layers: [decoded(layerDigest(0), { compression: 'zstd', zstdFrames: [frame, skippable] })] });
    expect([...clip.storageInfo.zstdIndexByLayer]).toEqual([[layerDigest(0), [frame]]]);
    expect([...clip.storageInfo.gzipIndexByLayer]).toEqual([]);
  });

  it('has neither for a plain layer', () => {
    const { storageInfo } = compose([], { layers: [decoded(layerDigest(0), { compression: 'none' })] });
    expect([storageInfo.gzipIndexByLayer.size, storageInfo.zstdIndexByLayer.size]).toEqual([0, 0]);
    expect(storageInfo.decompressedHashByLayer.size).toBe(1);
  });
});

describe('image metadata', () => {
  it('is the config', () => {
    expect(compose([]).storageInfo.imageMetadata).toMatchObject({
      ...{ architecture: 'arm64', os: 'linux', variant: 'v8', author: '', dockerVersion: '', env: ['A=b'], cmd: ['c'] },
      ...{ entrypoint: ['/e'], user: '1:2', workingDir: '/w', labels: new Map([['k', 'v']]), exposedPorts: ['80/tcp'] },
      ...{ volumes: ['/v'], stopSignal: 'SIGTERM', layers: [layerDigest(0)] },
      layersData: [{ digest: layerDigest(0), sizeBytes: 7, annotations: new Map([['note', 'x']]) }],
    });
  });

  it.each([
    ['2024-01-02T03:04:05.5Z', { seconds: 1704164645n, nanoseconds: 500_000_000, zoneMinutes: -1 }],
    ['2024-01-02T05:04:05+02:00', { seconds: 1704164645n, nanoseconds: 0, zoneMinutes: 120 }],
    ['2024-01-02T03:04:05+00:00', { seconds: 1704164645n, nanoseconds: 0, zoneMinutes: 0 }],
    ['0001-01-01T00:00:00Z', undefined],
    ['once', undefined],
    [undefined, undefined],
  ])('created %j', (created, expected) => {
    const { created: _created, ...rest } = config;
    const image = imageOf([layerDigest(0)], { config: created === undefined ? rest : { ...rest, created } });
    expect(compose([], { image }).storageInfo.imageMetadata.created).toEqual(expected);
  });
});
