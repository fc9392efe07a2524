import { describe, expect, it } from 'vitest';
import { byteStringFromText, type ByteString } from '../../src/lib/byte-string.ts';
import { inodeNumbersOf } from '../../src/lib/layer-index/inode-number.ts';
import { at, codesOf, dir, entry, file, layerDigest, layersOf, listing, mergeLayers, pathsOf, symlink } from './layers.ts';

describe('layers on each other', () => {
  it('a file of an upper layer replaces the one below', () => {
    const tree = mergeLayers(layersOf([file('a', 1)], [file('a', 2)]));
    expect(listing(tree)).toEqual(['/a file 2']);
    expect(at(tree, '/a')?.layer).toBe(layerDigest(1));
  });

  it('a directory over a directory keeps the children and takes the new attributes', () => {
    const tree = mergeLayers(layersOf([dir('d', { mode: 0o700 }), file('d/x')], [dir('d', { mode: 0o1777, uid: 5 })]));
    expect(pathsOf(tree)).toEqual(['/d', '/d/x']);
    expect(at(tree, '/d')).toMatchObject({ mode: 0o1777, uid: 5, layer: layerDigest(1), linkCount: 2 });
    expect(at(tree, '/d')?.inode).toBe(inodeNumbersOf(layerDigest(1))('/d' as ByteString));
  });

  it.each([
    ['a file', file('d', 3), ['/d file 3']],
    ['a symlink', symlink('d', 'x'), ['/d symlink -> x']],
    ['a fifo', entry('fifo', 'd'), ['/d fifo']],
  ])('%s over a directory takes its children along', (_what, upper, expected) => {
    const tree = mergeLayers(layersOf([dir('d'), file('d/x'), dir('d/y'), file('d/y/z')], [upper]));
    expect(listing(tree)).toEqual(expected);
  });

  it('a directory over a symlink replaces the symlink, and its children do not go where it led', () => {
    const tree = mergeLayers(layersOf([dir('real'), symlink('d', 'real')], [dir('d'), file('d/x')]));
    expect(listing(tree)).toEqual(['/d directory', '/d/x file 1', '/real directory']);
  });

  it('sorts by the bytes of the whole path', () => {
    const tree = mergeLayers(layersOf([dir('a'), file('a/x'), file('a-b'), file('a0'), file('é'), file('z')]));
    expect(pathsOf(tree)).toEqual(['/a', '/a-b', '/a/x', '/a0', '/z', '/é']);
  });

  it('keeps setuid, setgid and sticky', () => {
    const tree = mergeLayers(
      layersOf([file('u', 1, { mode: 0o104755 }), file('g', 1, { mode: 0o2755 }), dir('s', { mode: 0o1777 })]),
    );
    expect([at(tree, '/u')?.mode, at(tree, '/g')?.mode, at(tree, '/s')?.mode]).toEqual([0o4755, 0o2755, 0o1777]);
  });

  it('keeps devices, fifos, xattrs and sparse maps', () => {
    const xattrs = new Map([[byteStringFromText('user.x'), '\xff' as ByteString]]);
    const sparse = [{ offset: 4096, length: 4 }];
    const tree = mergeLayers(
      layersOf([
        entry('character-device', 'null', { deviceMajor: 1, deviceMinor: 3 }),
        entry('fifo', 'pipe'),
        file('x', 1, { xattrs }),
        file('s', 8192, { sparse, storedBytes: 4, payloadOffset: 2048 }),
      ]),
    );
    expect(at(tree, '/null')).toMatchObject({ kind: 'character-device', deviceMajor: 1, deviceMinor: 3, linkCount: 1 });
    expect(at(tree, '/null')?.content).toBeUndefined();
    expect(at(tree, '/pipe')?.kind).toBe('fifo');
    expect(at(tree, '/x')?.xattrs).toBe(xattrs);
    expect(at(tree, '/s')).toMatchObject({ size: 8192, sparse, content: { uncompressedOffset: 2048, length: 4 } });
  });

  it('an empty file has a place of length 0', () => {
    const tree = mergeLayers(layersOf([file('e', 0, { payloadOffset: 2560 })]));
    expect(at(tree, '/e')?.content).toEqual({ layer: layerDigest(0), uncompressedOffset: 2560, length: 0 });
  });

  it('one path twice in a layer: the last counts, with one warning for all of them', () => {
    const tree = mergeLayers(layersOf([file('a', 1), file('b', 1), file('./a', 2), file('b', 3), file('/b', 4)], [file('a', 5)]));
    expect(listing(tree)).toEqual(['/a file 5', '/b file 4']);
    expect(codesOf(tree)).toEqual(['DUPLICATE_PATH']);
    expect(tree.warnings[0]).toMatchObject({ path: '/a', layer: layerDigest(0) });
    expect(tree.warnings[0]?.message).toContain('3 entries');
  });
});

describe('root and parents that no layer lists', () => {
  it('a root without an entry has inode 1, mode 0755 and the time of the image', () => {
    const created = '2024-01-02T03:04:05.678901234Z';
    const time = { seconds: 1704164645, nanoseconds: 678901234 };
    const [root] = mergeLayers(layersOf([file('a')]), { created }).entries;
    expect(root).toMatchObject({ path: '/', kind: 'directory', inode: 1n, mode: 0o755, uid: 0, gid: 0, size: 0, linkCount: 2 });
    expect([root?.mtime, root?.atime, root?.ctime]).toEqual([time, time, time]);
    expect(root?.layer).toBeUndefined();
  });

  it.each([undefined, 'yesterday', '0001-01-01T00:00:00Z'])('created %j leaves the root at 1970', (created) => {
    const [root] = mergeLayers([], created === undefined ? {} : { created }).entries;
    expect(root?.mtime).toEqual({ seconds: 0, nanoseconds: 0 });
  });

  it('a root with an entry has its attributes', () => {
    const [root] = mergeLayers(layersOf([dir('./', { mode: 0o700, uid: 7 })])).entries;
    expect(root).toMatchObject({ mode: 0o700, uid: 7, layer: layerDigest(0) });
    expect(root?.inode).toBe(inodeNumbersOf(layerDigest(0))('/' as ByteString));
  });

  it('makes missing parents, owned by root with mode 0755', () => {
    const tree = mergeLayers(layersOf([file('a/b/c')]));
    expect(listing(tree)).toEqual(['/a directory', '/a/b directory', '/a/b/c file 1']);
    expect(at(tree, '/a/b')).toMatchObject({ mode: 0o755, uid: 0, gid: 0, linkCount: 2, mtime: { seconds: 0, nanoseconds: 0 } });
    expect(at(tree, '/a/b')?.layer).toBeUndefined();
    expect(at(tree, '/a/b')?.inode).toBe(inodeNumbersOf(layerDigest(0))('/a/b' as ByteString));
  });

  it('an entry that comes after the files in it is no duplicate', () => {
    const tree = mergeLayers(layersOf([file('a/b'), dir('a', { mode: 0o711 })]));
    expect(at(tree, '/a')).toMatchObject({ mode: 0o711, layer: layerDigest(0) });
    expect(tree.warnings).toEqual([]);
  });
});

describe('parents through symlinks', () => {
  it('a parent found before is found anew after a symlink came to stand where nothing was', () => {
    const entries = [dir('p/q'), dir('r'), symlink('a', 'r/up/..'), file('a/1'), symlink('a/up', '/p/q'), file('a/2')];
    expect(pathsOf(mergeLayers(layersOf(entries)))).toEqual(['/a', '/p', '/p/2', '/p/q', '/r', '/r/1', '/r/up']);
  });

  it.each([
    ['of a lower layer', layersOf([dir('usr/lib'), symlink('lib', 'usr/lib')], [file('lib/x')]), '/usr/lib/x'],
    ['of the same layer', layersOf([dir('usr'), symlink('u', '/usr'), file('u/x')]), '/usr/x'],
    ['in a row', layersOf([dir('c'), symlink('b', 'c'), symlink('a', 'b'), file('a/x')]), '/c/x'],
    ['with .. out of the root', layersOf([dir('etc'), symlink('a', '../../../etc'), file('a/x')]), '/etc/x'],
    ['that dangle: their target is made', layersOf([symlink('a', 'no/where'), file('a/x')]), '/no/where/x'],
    ['with .. through what is missing', layersOf([dir('etc'), symlink('a', 'up/../etc'), file('a/x')]), '/etc/x'],
    [
      'with .. through a symlink, as the kernel goes',
      layersOf([dir('p/q'), symlink('s', 'p/q'), symlink('a', 's/../r'), file('a/x')]),
      '/p/r/x',
    ],
  ])('%s', (_what, layers, path) => {
    const tree = mergeLayers(layers);
    expect(at(tree, path)?.kind).toBe('file');
    expect(tree.warnings).toEqual([]);
  });

  it.each([
    ['a file', [file('a'), file('a/x')]],
    ['a symlink to a file', [file('f'), symlink('a', 'f'), file('a/x')]],
    ['a symlink to itself', [symlink('a', 'a'), file('a/x')]],
    ['two symlinks in a circle', [symlink('b', 'a'), symlink('a', 'b'), file('a/x')]],
    ['a symlink with a target that Linux could not store', [symlink('a', 'y/'.repeat(2048)), file('a/x')]],
  ])('an entry below %s is left out with a warning', (_what, entries) => {
    const tree = mergeLayers(layersOf(entries));
    expect(pathsOf(tree)).toEqual(pathsOf(mergeLayers(layersOf(entries.slice(0, -1)))));
    expect(codesOf(tree)).toEqual(['PARENT_NOT_DIRECTORY']);
    expect(tree.warnings[0]?.path).toBe('/a/x');
  });

  it('40 symlinks in a row are followed, 41 are not', () => {
    const chain = (count: number) => Array.from({ length: count }, (_, number) => symlink(`s${number}`, `s${number + 1}`));
    const follow = (count: number) => mergeLayers(layersOf([dir(`s${count}`), ...chain(count), file('s0/x')]));
    expect(at(follow(40), '/s40/x')?.kind).toBe('file');
    expect(codesOf(follow(41))).toEqual(['PARENT_NOT_DIRECTORY']);
  });

  it('a parent found before is found anew after its symlink was replaced', () => {
    const tree = mergeLayers(layersOf([dir('a'), dir('b'), symlink('s', 'a'), file('s/1'), symlink('s', 'b'), file('s/2')]));
    expect(pathsOf(tree)).toEqual(['/a', '/a/1', '/b', '/b/2', '/s']);
  });
});
