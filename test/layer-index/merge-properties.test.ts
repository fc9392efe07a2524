/** What holds for any layers. The model is a flat map of paths, too slow to ship and too simple to be wrong. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LayerIndex } from '../../src/lib/layer-index/entry.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import { dir, entry, file, layerDigest, layersOf, link, listing, mergeLayers, pathsOf, symlink } from './layers.ts';

const NAMES = ['a', 'b', 'c', 'a-b', '..', '.'] as const;
const path = fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 }).map((components) => components.join('/'));
const directory = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 2 }).map((components) => [...components, ''].join('/'));
const plainPath = fc
  .array(fc.constantFrom('a', 'b', 'c', 'a-b'), { minLength: 1, maxLength: 3 })
  .map((components) => components.join('/'));

const marker = fc.oneof(
  directory.map((parent) => file(`${parent}.wh..wh..opq`, 0)),
  fc.tuple(directory, fc.constantFrom('a', 'b', 'c')).map(([parent, name]) => file(`${parent}.wh.${name}`, 0)),
);

const anyEntry: fc.Arbitrary<TarEntry> = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(path, fc.nat(9)).map(([name, size]) => file(name, size)) },
  { weight: 3, arbitrary: path.map((name) => dir(name)) },
  { weight: 2, arbitrary: fc.tuple(path, path).map(([name, target]) => symlink(name, target)) },
  { weight: 3, arbitrary: fc.tuple(path, path).map(([name, target]) => link(name, target)) },
  { weight: 1, arbitrary: path.map((name) => entry('fifo', name)) },
  { weight: 2, arbitrary: marker },
);

const anyLayers = fc
  .array(fc.array(anyEntry, { maxLength: 12 }), { minLength: 1, maxLength: 4 })
  .map((layers): LayerIndex[] => layersOf(...layers));

const plainEntry = fc.oneof(
  fc.tuple(plainPath, fc.nat(9)).map(([name, size]) => file(name, size)),
  plainPath.map((name) => dir(name)),
  marker,
);

describe('any layers', () => {
  it('merge the same way twice, into a sorted tree without gaps', () => {
    fc.assert(
      fc.property(anyLayers, (layers) => {
        const tree = mergeLayers(layers);
        expect(mergeLayers(layers)).toEqual(tree);
        const paths = tree.entries.map((found) => found.path);
        expect(paths).toEqual([...new Set(paths)].sort());
        const directories = new Set(tree.entries.filter(({ kind }) => kind === 'directory').map((found) => found.path as string));
        for (const found of paths.slice(1)) expect(directories).toContain(found.slice(0, found.lastIndexOf('/')) || '/');
      }),
      { numRuns: 500 },
    );
  });

  it('have as many names of a file as its link count says, all with one inode, mode and content', () => {
    fc.assert(
      fc.property(anyLayers, (layers) => {
        const { entries } = mergeLayers(layers);
        for (const found of entries) {
          if (found.hardLinkTo === undefined) continue;
          const primary = entries.find(({ path: other }) => other === found.hardLinkTo);
          const { path: _path, hardLinkTo: _link, ...shared } = found;
          expect(primary).toEqual({ ...shared, path: found.hardLinkTo });
          const names = entries.filter((other) => other.path === found.hardLinkTo || other.hardLinkTo === found.hardLinkTo);
          expect(names).toHaveLength(found.linkCount);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('are not changed by an empty layer, wherever it lies', () => {
    fc.assert(
      fc.property(anyLayers, fc.nat(4), (layers, where) => {
        const empty = { digest: layerDigest(99), entries: [] };
        const withEmpty = [...layers.slice(0, where), empty, ...layers.slice(where)];
        expect(mergeLayers(withEmpty)).toEqual(mergeLayers(layers));
      }),
    );
  });

  it('warn, and never throw or hang', () => {
    fc.assert(
      fc.property(anyLayers, (layers) => {
        const entries = layers.reduce((sum, layer) => sum + layer.entries.length, 0);
        const { warnings } = mergeLayers(layers);
        // A name and its link target may both lead out, the link may lead nowhere; and one line a layer for duplicates.
        expect(warnings.length).toBeLessThanOrEqual(entries * 3 + layers.length);
      }),
    );
  });
});

describe('markers of a layer', () => {
  it('mean the same wherever they stand in it', () => {
    const upper = fc.array(fc.oneof(anyEntry, marker), { maxLength: 14 });
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 14 }), upper, fc.integer({ min: 0, max: 1 }), (lower, entries, side) => {
        const isMarker = ({ name }: TarEntry): boolean => name.includes('.wh.');
        const markers = entries.filter(isMarker);
        const others = entries.filter((found) => !isMarker(found));
        const moved = side === 0 ? [...markers, ...others] : [...others, ...markers.reverse()];
        expect(mergeLayers(layersOf(lower, moved)).entries).toEqual(mergeLayers(layersOf(lower, entries)).entries);
      }),
      { numRuns: 500 },
    );
  });

  it('do nothing to a layer that lies alone', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 14 }), (entries) => {
        const unmarked = entries.filter(({ name }) => !name.includes('.wh.'));
        expect(mergeLayers(layersOf(entries)).entries).toEqual(mergeLayers(layersOf(unmarked)).entries);
      }),
    );
  });
});

type Model = Map<string, string>;

const below = (model: Model, directoryPath: string): string[] =>
  [...model.keys()].filter((found) => found.startsWith(`${directoryPath}/`));

function modelOf(layers: readonly (readonly TarEntry[])[]): string[] {
  let model: Model = new Map();
  for (const entries of layers) {
    const lower = new Map(model);
    for (const { name } of entries) hide(lower, `/${name}`);
    model = lower;
    for (const found of entries) if (!found.name.includes('.wh.')) place(model, found);
  }
  return [...model].map(([found, what]) => `${found} ${what}`).sort();
}

function hide(model: Model, name: string): void {
  const slash = name.lastIndexOf('/');
  const parent = name.slice(0, slash);
  const base = name.slice(slash + 1);
  if (!base.startsWith('.wh.')) return;
  const victim = `${parent}/${base.slice('.wh.'.length)}`;
  const victims = base === '.wh..wh..opq' ? below(model, parent) : [victim, ...below(model, victim)];
  for (const found of victims) model.delete(found);
}

function place(model: Model, { name, kind, size }: TarEntry): void {
  const full = `/${name}`;
  const parents = full
    .split('/')
    .slice(1, -1)
    .map((_, index, all) => `/${all.slice(0, index + 1).join('/')}`);
  if (parents.some((parent) => model.get(parent)?.startsWith('file'))) return;
  for (const parent of parents) model.set(parent, 'directory');
  if (kind !== 'directory') for (const found of below(model, full)) model.delete(found);
  model.set(full, kind === 'directory' ? kind : `file ${size}`);
}

describe('files, directories and markers', () => {
  it('merge as the model says', () => {
    const layers = fc.array(fc.array(plainEntry, { maxLength: 12 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(layers, (found) => {
        const expected = modelOf(found);
        const tree = mergeLayers(layersOf(...found));
        expect(listing(tree).sort()).toEqual(expected);
        expect(pathsOf(tree)).toHaveLength(expected.length);
      }),
      { numRuns: 1000 },
    );
  });
});
