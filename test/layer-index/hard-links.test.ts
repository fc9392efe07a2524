import { describe, expect, it } from 'vitest';
import { byteStringFromText, type ByteString } from '../../src/lib/byte-string.ts';
import { inodeNumbersOf } from '../../src/lib/layer-index/inode-number.ts';
import { at, codesOf, dir, entry, file, layerDigest, layersOf, link, listing, mergeLayers, pathsOf, symlink } from './layers.ts';

const target = file('t', 9, {
  mode: 0o4640,
  uid: 7,
  gid: 8,
  mtime: { seconds: 5, nanoseconds: 6 },
  payloadOffset: 4096,
  xattrs: new Map([[byteStringFromText('user.a'), byteStringFromText('b')]]),
});

describe('a hard link', () => {
  it.each([
    ['to an earlier entry', layersOf([target, link('l', 't')])],
    ['to a later entry', layersOf([link('l', 't'), target])],
    ['to an entry of a lower layer', layersOf([target], [link('l', 't')])],
    ['written with ./', layersOf([target, link('l', './t')])],
    ['written as an absolute path', layersOf([target, link('l', '/t')])],
  ])('%s is the same file: inode, mode, owner, times, content, xattrs', (_what, layers) => {
    const tree = mergeLayers(layers);
    const { path: _path, ...same } = at(tree, '/t') ?? {};
    expect(at(tree, '/l')).toEqual({ ...same, path: '/l', hardLinkTo: '/t' });
    expect(at(tree, '/t')).toMatchObject({
      linkCount: 2,
      inode: inodeNumbersOf(layerDigest(0))('/t' as ByteString),
      mode: 0o4640,
    });
    expect(tree.warnings).toEqual([]);
  });

  it('chains lead to one file, forward and backward', () => {
    const tree = mergeLayers(layersOf([link('a', 'b'), link('b', 'c'), file('c', 4), link('d', 'a')]));
    const names = ['/a', '/b', '/c', '/d'].map((path) => at(tree, path));
    expect(names.map((found) => found?.linkCount)).toEqual([4, 4, 4, 4]);
    expect(new Set(names.map((found) => found?.inode)).size).toBe(1);
    expect(names.map((found) => found?.hardLinkTo)).toEqual(['/c', '/c', undefined, '/c']);
  });

  it('to a symlink is a symlink', () => {
    const tree = mergeLayers(layersOf([file('f'), symlink('s', 'f'), link('l', 's')]));
    expect(at(tree, '/l')).toMatchObject({ kind: 'symlink', target: 'f', size: 1, linkCount: 2, hardLinkTo: '/s' });
  });

  it('to a device is that device', () => {
    const tree = mergeLayers(layersOf([entry('block-device', 'b', { deviceMajor: 7 }), link('l', 'b')]));
    expect(at(tree, '/l')).toMatchObject({ kind: 'block-device', deviceMajor: 7, linkCount: 2 });
  });

  it('finds its target through symlinked parents', () => {
    const tree = mergeLayers(layersOf([dir('usr/lib'), file('usr/lib/x', 3), symlink('lib', 'usr/lib')], [link('l', 'lib/x')]));
    expect(at(tree, '/l')).toMatchObject({ size: 3, hardLinkTo: '/usr/lib/x' });
  });

  it('keeps the old content when its target is replaced in an upper layer', () => {
    const tree = mergeLayers(layersOf([file('t', 1), link('l', 't')], [file('t', 2)]));
    expect(listing(tree)).toEqual(['/l file 1', '/t file 2']);
    expect([at(tree, '/l')?.linkCount, at(tree, '/t')?.linkCount]).toEqual([1, 1]);
    expect(at(tree, '/l')?.inode).toBe(inodeNumbersOf(layerDigest(0))('/t' as ByteString));
    expect(at(tree, '/l')?.hardLinkTo).toBeUndefined();
  });

  it('counts only names that live: after a whiteout of the target the rest stay linked', () => {
    const tree = mergeLayers(
      layersOf([file('t', 1), link('b', 't'), link('a', 't'), link('c', 't')], [file('.wh.t'), file('.wh.c')]),
    );
    expect([at(tree, '/a'), at(tree, '/b')].map((found) => [found?.linkCount, found?.hardLinkTo])).toEqual([
      [2, undefined],
      [2, '/a'],
    ]);
  });

  it('takes the target as it was when it came, as link(2) does', () => {
    const tree = mergeLayers(layersOf([file('t', 1), link('l', 't'), file('t', 2)]));
    expect(listing(tree)).toEqual(['/l file 1', '/t file 2']);
    expect(codesOf(tree)).toEqual(['DUPLICATE_PATH']);
  });

  it('replaced by a later entry of its layer before its target came is forgotten', () => {
    const tree = mergeLayers(layersOf([link('l', 't'), file('l', 5), link('d/l', 'none'), file('d2'), dir('d'), file('t')]));
    expect(at(tree, '/l')).toMatchObject({ size: 5, linkCount: 1 });
    expect(codesOf(tree)).toEqual(['HARD_LINK_MISSING', 'DUPLICATE_PATH']);
  });

  it('over a directory takes its children along', () => {
    const tree = mergeLayers(layersOf([dir('d'), file('d/x'), file('t', 3)], [link('d', 't')]));
    expect(listing(tree)).toEqual(['/d file 3', '/t file 3']);
  });
});

describe('a hard link that leads nowhere', () => {
  it.each([
    ['to a missing file', [file('a'), link('l', 'none')], ['HARD_LINK_MISSING']],
    ['below a file', [file('a'), link('l', 'a/x')], ['HARD_LINK_MISSING']],
    ['through symlinks in a circle', [file('a'), symlink('s', 's'), link('l', 's/x')], ['HARD_LINK_MISSING']],
    ['to itself', [file('a'), link('l', 'l')], ['HARD_LINK_CYCLE']],
    ['to itself, spelled otherwise', [file('a'), link('l', './x/../l')], ['HARD_LINK_CYCLE']],
    ['in a cycle of 3', [file('a'), link('l', 'm'), link('m', 'n'), link('n', 'l')], Array(3).fill('HARD_LINK_CYCLE')],
    ['to a directory', [file('a'), dir('d'), link('l', 'd')], ['HARD_LINK_TO_DIRECTORY']],
    ['to the root', [file('a'), link('l', '/')], ['HARD_LINK_TO_DIRECTORY']],
    ['to another that leads nowhere', [file('a'), link('l', 'm'), link('m', 'none')], Array(2).fill('HARD_LINK_MISSING')],
    ['with a NUL in its target', [file('a'), link('l', 'a\0')], ['HARD_LINK_MISSING']],
  ])('%s is left out, with one warning', (_what, entries, codes) => {
    const tree = mergeLayers(layersOf(entries));
    expect(codesOf(tree)).toEqual(codes);
    expect(pathsOf(tree).filter((path) => ['/l', '/m', '/n'].includes(path))).toEqual([]);
    expect(at(tree, '/a')?.kind).toBe('file');
  });

  it('to itself leaves a file of that name in a lower layer alone', () => {
    const tree = mergeLayers(layersOf([file('l', 3)], [link('l', 'l')]));
    expect(listing(tree)).toEqual(['/l file 3']);
    expect(codesOf(tree)).toEqual(['HARD_LINK_CYCLE']);
  });

  it('does not take a target from an upper layer', () => {
    const tree = mergeLayers(layersOf([link('l', 't')], [file('t')]));
    expect(pathsOf(tree)).toEqual(['/t']);
    expect(codesOf(tree)).toEqual(['HARD_LINK_MISSING']);
  });
});
