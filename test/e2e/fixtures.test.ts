/** The fixture images through the whole command: index, warm, and every file judged by what Go CLIP serves. */
import { createHash } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import type { ClipFile, ClipNode } from '../../src/lib/clip/clip-file.ts';
import { compareDumps, judgeDifferences } from '../fixtures-truth/compare-dump.ts';
import { dumpOf } from '../fixtures-truth/dump.ts';
import { KNOWN_DIFFERENCES } from '../fixtures-truth/known-differences.ts';
import { readGoDump, readGoSums } from '../fixtures-truth/read-fixture.ts';
import { FIXTURE_NAMES, fixtureLayout } from '../pipeline/fixture-layers.ts';
import { makeHome, type Home } from './run-cli.ts';

/** What `go.clip` was made from (FORMATS §1): the same origin makes the same index. */
const storageRef = (name: string): string => `127.0.0.1:5000/small/${name}:v1`;
const WITH_DUMP = ['duplayer', 'multiplatform', 'odd-gzip'];

let home: Home;
beforeAll(async () => {
  home = await makeHome();
});
afterAll(() => home.remove());

interface IndexDocument {
  readonly platforms: readonly {
    readonly output: string;
    readonly layers: readonly IndexedLayer[];
  }[];
}

interface IndexedLayer {
  readonly diffId: string;
  readonly mediaType: string;
  readonly verifiedBy: string;
  readonly decoder: string;
}

/** By the end of the media type, which tells the truth in the fixtures. */
const DECODERS = { gzip: 'kernel', zstd: 'zstd', tar: 'none' } as const;

function expectedDecoder({ mediaType }: IndexedLayer): string {
  const end = /(gzip|zstd|tar)$/.exec(mediaType)?.[1] as keyof typeof DECODERS;
  return DECODERS[end];
}

async function indexFixture(
  name: string,
  ...flags: string[]
): Promise<{ clip: ClipFile; bytes: Buffer; document: IndexDocument }> {
  const output = join(home.dir, `${name}-${flags.join('')}.clip`.replaceAll('/', '_'));
  const result = await home.run([
    'index',
    `oci:${fixtureLayout(name)}:v1`,
    '-o',
    output,
    '--storage-ref',
    storageRef(name),
    '--json',
    ...flags,
  ]);
  expect(result.code, result.stderr).toBe(0);
  const bytes = await readFile(output);
  return { clip: decodeClip(bytes), bytes, document: result.json<IndexDocument>() };
}

describe.each(FIXTURE_NAMES)('%s', (name) => {
  it('is indexed, every layer verified by digest and diffID, every gzip layer decoded by the kernel', async () => {
    const { document } = await indexFixture(name, '--warm');
    const layers = document.platforms.flatMap((platform) => platform.layers);
    expect(layers.length).toBeGreaterThan(0);
    for (const layer of layers) {
      expect(layer.verifiedBy).toBe('digest+diffId');
      // node:zlib has zstd from Node 22.15 on.
      expect(layer.decoder.replace(/^(wasm|node)-zstd$/, 'zstd')).toBe(expectedDecoder(layer));
      const content = await readFile(join(home.cacheDir, layer.diffId.slice('sha256:'.length)));
      expect(`sha256:${createHash('sha256').update(content).digest('hex')}`).toBe(layer.diffId);
    }
  });

  it('gives the same bytes with one job and with four', async () => {
    const one = await indexFixture(name, '--jobs', '1');
    const four = await indexFixture(name, '--jobs', '4');
    expect(one.bytes.equals(four.bytes)).toBe(true);
  });
});

describe.each(WITH_DUMP)('%s against Go CLIP', (name) => {
  it('has the nodes of go.dump.json but for the named differences', async () => {
    const { clip } = await indexFixture(name, '--warm');
    const judgement = judgeDifferences(compareDumps(dumpOf(clip), await readGoDump(name)), KNOWN_DIFFERENCES[name] ?? []);
    expect(judgement.unexplained).toEqual([]);
    expect(judgement.stale).toEqual([]);
  });
});

it('serves every regular file of odd-gzip out of the warmed cache as go.sums says', async () => {
  const { clip } = await indexFixture('odd-gzip', '--warm');
  const sums = await readGoSums('odd-gzip');
  const differing = new Set((KNOWN_DIFFERENCES['odd-gzip'] ?? []).map((difference) => difference.subject));
  let compared = 0;
  for (const node of clip.nodes) {
    const expected = sums.get(node.path);
    if (node.nodeType !== 'file' || expected === undefined || expected.startsWith('ERROR') || differing.has(node.path)) continue;
    expect(await sha256OfNode(clip, node), node.path).toBe(expected);
    compared++;
  }
  expect(compared).toBeGreaterThan(50);
});

async function sha256OfNode(clip: ClipFile, node: ClipNode): Promise<string> {
  const hash = createHash('sha256');
  if (node.remote !== undefined) {
    const diffId = clip.storageInfo.decompressedHashByLayer.get(node.remote.layerDigest) ?? '';
    const file = await open(join(home.cacheDir, diffId));
    const content = Buffer.alloc(node.remote.length);
    await file.read(content, 0, content.length, node.remote.uncompressedOffset);
    await file.close();
    hash.update(content);
  }
  return hash.digest('hex');
}

it('names the index after the image, and one of several platforms after its platform too', async () => {
  const cwd = join(home.dir, 'names');
  await mkdir(cwd);
  const one = await home.run(['index', `oci:${fixtureLayout('odd-gzip')}:v1`, '--json'], { cwd });
  expect(one.json<IndexDocument>().platforms.map((platform) => platform.output)).toEqual(['oci-v1.clip']);
  const all = await home.run(
    ['index', `oci:${fixtureLayout('multiplatform')}`, '--all-platforms', '-o', 'multi.clip', '--json'],
    { cwd },
  );
  expect(all.json<IndexDocument>().platforms.map((platform) => platform.output)).toEqual([
    'multi.linux-amd64.clip',
    'multi.linux-arm64.clip',
    'multi.linux-arm-v7.clip',
  ]);
});

it('reads every index that Go CLIP wrote', async () => {
  for (const name of [...WITH_DUMP, 'odd-members']) {
    const result = await home.run(['inspect', new URL(`../fixtures/${name}/go.clip`, import.meta.url).pathname, '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(result.json<{ layers: unknown[] }>().layers.length).toBeGreaterThan(0);
  }
});
