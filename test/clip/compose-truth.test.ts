/** Our nodes against Go CLIP's, for every fixture that Go CLIP could index and its dump stands beside. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { bytesOf, type ByteString } from '../../src/lib/byte-string.ts';
import type { ClipFile, ClipNode } from '../../src/lib/clip/clip-file.ts';
import { composeClip } from '../../src/lib/clip/compose.ts';
import { mergeLayers } from '../../src/lib/layer-index/merge.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import { compareDumps, judgeDifferences } from '../fixtures-truth/compare-dump.ts';
import { dumpOf } from '../fixtures-truth/dump.ts';
import { KNOWN_DIFFERENCES } from '../fixtures-truth/known-differences.ts';
import { readFixtureImage, readGoDump, readGoSums, type FixtureImage } from '../fixtures-truth/read-fixture.ts';

/** As Go CLIP was told: from this registry, under this tag. */
const originOf = (name: string) => ({ registry: '127.0.0.1:5000', repository: `small/${name}`, tag: 'v1' });

function compose(name: string, { image, indexes, decoded }: FixtureImage): ClipFile {
  const { created } = image.config;
  const tree = mergeLayers(indexes, created === undefined ? {} : { created });
  const clip = composeClip({ tree, image, layers: decoded, origin: originOf(name) });
  return { ...clip, nodes: [...clip.nodes] };
}

describe.each(Object.entries(KNOWN_DIFFERENCES))('fixture %s', (name, known) => {
  it('every difference from Go CLIP has a reason, and every reason a difference', async () => {
    const clip = compose(name, await readFixtureImage(name));
    const differences = compareDumps(dumpOf(clip), await readGoDump(name));
    expect(judgeDifferences(differences, known)).toEqual({ unexplained: [], stale: [] });
    expect(differences.length).toBeGreaterThan(0);
  });

  it('the same image gives the same content', async () => {
    expect(compose(name, await readFixtureImage(name))).toEqual(compose(name, await readFixtureImage(name)));
  });
});

describe('the files of odd-gzip', () => {
  it('have the content that Go CLIP serves', async () => {
    const fixture = await readFixtureImage('odd-gzip');
    const sums = await readGoSums('odd-gzip');
    const known = new Set((KNOWN_DIFFERENCES['odd-gzip'] ?? []).filter(hasOtherContent).map(({ subject }) => subject));
    const served = new Map<ByteString, string>();
    for (const node of compose('odd-gzip', fixture).nodes) {
      const content = node.nodeType === 'file' && !known.has(node.path) ? contentOf(node, fixture) : undefined;
      if (content !== undefined) served.set(node.path, createHash('sha256').update(content).digest('hex'));
    }
    const expected = new Map([...sums].filter(([path]) => !known.has(path)));
    expect(served).toEqual(expected);
    expect(served.size).toBeGreaterThan(55);
  });

  it('that Go CLIP cannot serve are the sparse ones, and ours have a map', async () => {
    const sums = await readGoSums('odd-gzip');
    const errors = [...sums].filter(([, sum]) => sum.startsWith('ERROR')).map(([path]) => path);
    const { extension, nodes } = compose('odd-gzip', await readFixtureImage('odd-gzip'));
    const sparse = extension?.entries.filter((entry) => entry.sparse !== undefined) ?? [];
    expect(sparse.map(({ path }) => path)).toEqual(['/odd/sparse-gnu', ...errors.sort()]);
    for (const { path } of sparse) {
      const node = nodes.find((found) => found.path === path);
      expect([node?.attr.size, node?.remote]).toEqual([131072n, undefined]);
    }
  });

  it('that are sparse expand to two runs of four bytes', async () => {
    const fixture = await readFixtureImage('odd-gzip');
    for (const { sparse } of compose('odd-gzip', fixture).extension?.entries ?? []) {
      if (sparse === undefined) continue;
      const { layerDigest, uncompressedOffset } = sparse.remote;
      const tar = fixture.tars.get(layerDigest as Digest);
      const runs = sparse.regions.filter(({ length }) => length > 0);
      const stored = tar?.subarray(uncompressedOffset, uncompressedOffset + runs.reduce((sum, { length }) => sum + length, 0));
      expect(runs.map(({ offset }) => offset)).toEqual([0, 65536]);
      expect(stored?.every((byte) => byte !== 0)).toBe(true);
    }
  });
});

/** Only a difference in what the file is, not in its attributes, may keep it from the comparison. */
function hasOtherContent({ fields }: { readonly fields: readonly string[] }): boolean {
  return fields.some((field) => ['node', 'remote', 'type'].includes(field));
}

function contentOf({ remote, path }: ClipNode, { tars }: FixtureImage): Buffer {
  const tar = tars.get((remote?.layerDigest ?? '') as Digest);
  if (remote === undefined || tar === undefined) throw new Error(`${bytesOf(path).toString()} has no content`);
  expect(remote.uncompressedOffset + remote.length).toBeLessThanOrEqual(tar.length);
  return tar.subarray(remote.uncompressedOffset, remote.uncompressedOffset + remote.length);
}
