/** `clipctl verify FILE.clip --full`: an index against its image, every offset, digest and checkpoint. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClipFile, ExtensionLayer } from '../../src/lib/clip/clip-file.ts';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { check, readSchema } from '../cli/json-schema.ts';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const FIXTURES = ['odd-zstd', 'odd-members', 'duplayer'];
/** Text that compresses, long enough for some checkpoints. */
const LONG = Array.from({ length: 40_000 }, (_, line) => `${line} ${(line * 2_654_435_761) % 4_294_967_296}`).join('\n');

let home: Home;
let registry: LoopbackRegistry;
let file: ClipFile;
beforeAll(async () => {
  home = await makeHome();
  const made = await makeLayout(home.path('app'), [
    { files: { 'a/': '', 'a/long': LONG, 'a/one': 'one', 'a/two': 'two' } },
    { files: { b: 'b', 'c/': '' } },
  ]);
  const layouts = Object.fromEntries(FIXTURES.map((name) => [name, fixtureLayout(name)]));
  registry = await startLoopbackRegistry({ repositories: { ...layouts, app: made.directory } });
  const args = ['index', `${registry.host}/app:v1`, '-o', home.path('app.clip'), '--checkpoint-interval', '64KiB'];
  expect((await home.run(args)).code).toBe(0);
  file = decodeClip(await readFile(home.path('app.clip')));
});
afterAll(async () => {
  await registry.close();
  await home.remove();
});

interface Verified {
  readonly checked: { readonly layers: number; readonly checkpoints: number };
  readonly problems: readonly { readonly code: string; readonly severity: string }[];
}

async function verify(path: string): Promise<{ result: CliResult; codes: string[]; checked: Verified['checked'] }> {
  const result = await home.run(['verify', path, '--full', '--json']);
  expect(check(result.json(), readSchema('verify'))).toEqual([]);
  const { problems, checked } = result.json<Verified>();
  return { result, codes: [...new Set(problems.map(({ code }) => code))], checked };
}

async function verifyChanged(change: (original: ClipFile) => ClipFile) {
  await writeFile(home.path('changed.clip'), encodeClip(change(file)));
  return verify(home.path('changed.clip'));
}

it('an index of ours is ok, and a decoder was started at each of its checkpoints', async () => {
  const { result, codes, checked } = await verify(home.path('app.clip'));
  const expected = file.extension?.layers.reduce((sum, { checkpoints }) => sum + checkpoints.length, 0) ?? 0;
  expect([result.code, codes]).toEqual([0, []]);
  expect(expected).toBeGreaterThan(8);
  expect(checked).toMatchObject({ layers: 2, checkpoints: expected });
  expect((await readdir(home.cacheDir)).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
  expect(await readdir(`${home.cacheDir}/.clipctl/v1/ingest`)).toEqual([]);
});

it('so is one of each kind of layer', async () => {
  for (const name of FIXTURES) {
    const path = home.path(`${name}.clip`);
    const indexed = await home.run(['index', `${registry.host}/${name}:v1`, '-o', path, '--json']);
    expect([name, indexed.code, indexed.json().error?.message]).toEqual([name, 0, undefined]);
    const { result, codes } = await verify(path);
    expect([name, result.code, codes]).toEqual([name, 0, []]);
  }
});

const mapNodes =
  (path: string, change: (node: ClipFile['nodes'][number]) => ClipFile['nodes'][number]) => (original: ClipFile) => ({
    ...original,
    nodes: original.nodes.map((node) => ((node.path as string) === path ? change(node) : node)),
  });

const mapLayers = (change: (layer: ExtensionLayer) => ExtensionLayer) => (original: ClipFile) => {
  const { extension } = original;
  return extension === undefined ? original : { ...original, extension: { ...extension, layers: extension.layers.map(change) } };
};

const longest = (layer: ExtensionLayer): boolean => layer.checkpoints.length > 2;

describe('an index that is wrong about its image is exit 7:', () => {
  it.each([
    [
      'an offset',
      'CONTENT_ELSEWHERE',
      mapNodes('/a/one', (node) =>
        node.remote === undefined
          ? node
          : { ...node, remote: { ...node.remote, uncompressedOffset: node.remote.uncompressedOffset + 1024 } },
      ),
    ],
    ['an owner', 'ENTRY_MISMATCH', mapNodes('/b', (node) => ({ ...node, attr: { ...node.attr, uid: 7 } }))],
    [
      'a path that is left out',
      'ENTRY_MISSING',
      (original: ClipFile) => ({ ...original, nodes: original.nodes.filter(({ path }) => (path as string) !== '/b') }),
    ],
    ['a path that is made up', 'ENTRY_UNKNOWN', mapNodes('/c', (node) => ({ ...node, path: '/d' as typeof node.path }))],
    [
      'a digest of a span',
      'LAYER_MISMATCH',
      mapLayers((layer) => ({ ...layer, contentDigests: layer.contentDigests.map((byte, at) => (at === 5 ? byte ^ 1 : byte)) })),
    ],
    [
      'a size of a layer',
      'LAYER_MISMATCH',
      mapLayers((layer) => ({ ...layer, uncompressedBytes: layer.uncompressedBytes + 512 })),
    ],
    [
      'a layer that the image has not',
      'IMAGE_MISMATCH',
      (original: ClipFile) => ({
        ...original,
        storageInfo: { ...original.storageInfo, layers: [...original.storageInfo.layers].reverse() },
      }),
    ],
  ])('%s is %s', async (_, code, change) => {
    const { result, codes } = await verifyChanged(change);
    expect(result.code).toBe(7);
    expect(codes).toContain(code);
  });

  it('a checkpoint that is a bit off, or has another window', async () => {
    const offBy = mapLayers((layer) => {
      if (!longest(layer)) return layer;
      const checkpoints = layer.checkpoints.map((each, at) =>
        at === 2 ? { ...each, compressedOffset: each.compressedOffset + 1 } : each,
      );
      return { ...layer, checkpoints };
    });
    const otherWindow = mapLayers((layer) => {
      if (!longest(layer)) return layer;
      const [, , third, fourth] = layer.checkpoints;
      const checkpoints = layer.checkpoints.map((each, at) =>
        at === 2 && third !== undefined && fourth !== undefined ? { ...each, window: fourth.window } : each,
      );
      return { ...layer, checkpoints };
    });
    for (const change of [offBy, otherWindow]) {
      const { result, codes } = await verifyChanged(change);
      expect([result.code, codes.length]).toEqual([7, 1]);
      expect(['LAYER_CORRUPT', 'SIZE_MISMATCH', 'CLIP_INVALID']).toContain(codes[0]);
    }
  });
});

it('without --full the layers are not read, and an image that is gone is no verdict', async () => {
  const before = registry.requests.length;
  expect((await home.run(['verify', home.path('app.clip')])).code).toBe(0);
  expect(registry.requests.length).toBe(before);
  registry.script = ({ path }) => (path.includes('/manifests/') ? { status: 404 } : undefined);
  try {
    const gone = await home.run(['verify', home.path('app.clip'), '--full', '--json']);
    expect([gone.code, gone.json().error?.code]).toEqual([4, 'IMAGE_NOT_FOUND']);
  } finally {
    registry.script = undefined;
  }
});
