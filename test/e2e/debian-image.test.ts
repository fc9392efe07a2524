/** A real Debian system out of a real registry, served without it, judged by the file system that its layers leave. */
import { createHash } from 'node:crypto';
import { open, readFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClipFile, ClipNode } from '../../src/lib/clip/clip-file.ts';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import type { IndexResult, WarmResult } from '../../src/lib/operations/results.ts';
import { debianImageMissing, provideDebianImage, type DebianImage, type TrueFile } from '../servers/debian-image.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const missing = debianImageMissing() ?? dockerRegistryMissing();
const MAX_BUFFERED_BYTES = 32 * 1024 * 1024;

describe.skipIf(missing !== undefined)(
  `a Debian image out of docker-registry${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    let home: Home;
    let image: DebianImage;
    let indexed: CliResult;
    let warmed: CliResult;
    let clip: ClipFile;

    beforeAll(async () => {
      home = await makeHome();
      image = await provideDebianImage();
      const registry = await startDockerRegistry();
      try {
        await pushLayout(image.layout, { host: registry.host, repository: 'debian', tag: image.tag });
        const reference = `${registry.host}/debian:${image.tag}`;
        indexed = await home.run(['index', reference, '-o', 'debian.clip', '--json']);
        warmed = await home.run(['warm', reference, '--json']);
      } finally {
        await registry.close();
      }
      clip = decodeClip(await readFile(home.path('debian.clip')));
    }, 300_000);
    afterAll(() => home.remove());

    it('is indexed with every layer verified, gzip, zstd and plain, within the memory budget', () => {
      expect(indexed.code, indexed.stderr).toBe(0);
      const { platforms, peakBufferedBytes } = indexed.json<IndexResult>();
      const layers = platforms[0]?.layers ?? [];
      expect(layers.map((layer) => layer.verifiedBy)).toEqual(Array(3).fill('digest+diffId'));
      expect(layers.map((layer) => layer.decoder.split('-').at(-1))).toEqual(['kernel', 'zstd', 'none']);
      expect(peakBufferedBytes).toBeLessThanOrEqual(MAX_BUFFERED_BYTES);
    });

    it('is warmed from the registry', () => {
      expect(warmed.code, warmed.stderr).toBe(0);
      const { images, totals } = warmed.json<WarmResult>();
      expect(images[0]?.layers.map((layer) => layer.servedBy)).toEqual(Array(3).fill('registry'));
      expect(totals.layers).toBe(3);
    });

    it('is warm for inspect, and warm again without a request, after the registry has stopped', async () => {
      const inspected = await home.run(['inspect', 'debian.clip', '--check-warm']);
      expect(inspected.code, inspected.stderr).toBe(0);
      const again = await home.run(['warm', 'debian.clip', '--offline', '--json']);
      expect(again.code, again.stderr).toBe(0);
      expect(again.json<WarmResult>().totals).toMatchObject({ downloadedBytes: 0, requests: 0 });
    });

    it('is judged by a file system that shows what the upper layers changed', () => {
      const truth = new Map(image.files.map((file) => [file.path, file]));
      expect(truth.get('/bin')?.kind).toBe('symlink');
      expect(truth.get('/usr/bin/clipctl-tool')?.size).toBe('tool\n'.length);
      expect(truth.get('/etc/clipctl-link')?.sha256).toBe(truth.get('/etc/clipctl')?.sha256);
      expect([...truth.keys()].filter((path) => path.startsWith('/usr/share/doc/'))).toEqual(['/usr/share/doc/back']);
      expect(truth.has('/usr/bin/yes')).toBe(false);
      expect(truth.get('/usr/share/locale')?.kind).toBe('directory');
    });

    it('lists every path of the file system and no other', () => {
      const truth = image.files.map((file) => file.path);
      const listed = clip.nodes.map((node) => node.path as string).filter((path) => path !== '/');
      expect(listed.filter((path) => !truth.includes(path))).toEqual([]);
      expect(truth.filter((path) => !listed.includes(path))).toEqual([]);
    });

    it('gives each path its kind, mode, owner, size and target', () => {
      const nodes = new Map(clip.nodes.map((node) => [node.path as string, node]));
      expect(image.files.map((file) => told(file, nodes.get(file.path)))).toEqual(image.files.map(expected));
    });

    it('serves every regular file out of the warm cache with the sha256 of the file system', async () => {
      const served = await sha256OfFiles(clip, home.cacheDir);
      const truth = new Map(image.files.filter((file) => file.kind === 'file').map((file) => [file.path, file.sha256]));
      expect(truth.size).toBeGreaterThan(2000);
      expect([...truth].filter(([path, sha256]) => served.get(path) !== sha256)).toEqual([]);
      expect(served.size).toBe(truth.size);
    });
  },
);

type Facts = Omit<TrueFile, 'sha256'>;

function expected({ path, kind, mode, uid, gid, size, target }: TrueFile): Facts {
  return { path, kind, mode, uid, gid, size, ...(target === undefined ? {} : { target }) };
}

/** What a node says of a path, in the words of the truth. */
function told({ path }: TrueFile, node: ClipNode | undefined): Facts | undefined {
  if (node === undefined) return undefined;
  const kind = node.nodeType === 'dir' ? 'directory' : node.nodeType === 'symlink' ? 'symlink' : 'file';
  const { mode, uid, gid, size } = node.attr;
  const common = { path, kind, mode: mode & 0o7777, uid, gid } as const;
  return kind === 'symlink' ? { ...common, size: 0, target: node.target } : { ...common, size: Number(size) };
}

async function sha256OfFiles(clip: ClipFile, cacheDir: string): Promise<ReadonlyMap<string, string>> {
  const handles = new Map<string, FileHandle>();
  const sums = new Map<string, string>();
  for (const node of clip.nodes) {
    if (node.nodeType === 'file') sums.set(node.path, await sha256OfNode(node, { clip, cacheDir, handles }));
  }
  for (const handle of handles.values()) await handle.close();
  return sums;
}

interface Cache {
  readonly clip: ClipFile;
  readonly cacheDir: string;
  readonly handles: Map<string, FileHandle>;
}

async function sha256OfNode({ remote }: ClipNode, { clip, cacheDir, handles }: Cache): Promise<string> {
  const hash = createHash('sha256');
  if (remote === undefined || remote.length === 0) return hash.digest('hex');
  const name = clip.storageInfo.decompressedHashByLayer.get(remote.layerDigest) ?? '';
  const handle = handles.get(name) ?? (await open(join(cacheDir, name)));
  handles.set(name, handle);
  const content = Buffer.alloc(remote.length);
  await handle.read(content, 0, content.length, remote.uncompressedOffset);
  return hash.update(content).digest('hex');
}
