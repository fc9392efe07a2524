import { describe, expect, it } from 'vitest';
import { codesOf, dir, file, layersOf, link, mergeLayers, pathsOf, symlink } from './layers.ts';

const lower = [dir('d'), file('d/a'), file('d/b'), dir('d/s'), file('d/s/x'), file('d-not'), file('d.txt')];

describe('whiteouts', () => {
  it('hide a file of the layers below', () => {
    expect(pathsOf(mergeLayers(layersOf(lower, [file('d/.wh.a')])))).toEqual([
      '/d',
      '/d-not',
      '/d.txt',
      '/d/b',
      '/d/s',
      '/d/s/x',
    ]);
  });

  it('hide a directory with all that is in it, and no name that only begins like it', () => {
    expect(pathsOf(mergeLayers(layersOf(lower, [file('.wh.d')])))).toEqual(['/d-not', '/d.txt']);
  });

  it.each([
    ['before', [file('.wh.f'), file('f', 2)]],
    ['after', [file('f', 2), file('.wh.f')]],
  ])('standing %s a file of their own layer leave it alone', (_what, entries) => {
    const tree = mergeLayers(layersOf([file('f', 1)], entries));
    expect(tree.entries.map(({ path, size }) => [path, size])).toEqual([
      ['/', 0],
      ['/f', 2],
    ]);
    expect(tree.warnings).toEqual([]);
  });

  it('of something that never was change nothing, and make no parents', () => {
    const tree = mergeLayers(
      layersOf([file('x')], [file('.wh.never'), file('no/.wh.where'), file('x/.wh.y'), file('gone/.wh..wh..opq')]),
    );
    expect(pathsOf(tree)).toEqual(['/x']);
    expect(tree.warnings).toEqual([]);
  });

  it('are not seen again by a later layer', () => {
    expect(pathsOf(mergeLayers(layersOf([file('f')], [file('.wh.f')], [file('f')])))).toEqual(['/f']);
  });

  it('reach through a symlink of a lower layer, but do not follow the one they name', () => {
    const base = [dir('etc'), file('etc/p'), file('etc/q'), symlink('l', 'etc')];
    expect(pathsOf(mergeLayers(layersOf(base, [file('l/.wh.p')])))).toEqual(['/etc', '/etc/q', '/l']);
    expect(pathsOf(mergeLayers(layersOf(base, [file('.wh.l')])))).toEqual(['/etc', '/etc/p', '/etc/q']);
  });

  it.each(['.wh.', '.wh..', '.wh...', 'd/.wh..', 'd/.wh...'])('%s names no file: ignored with a warning', (name) => {
    const tree = mergeLayers(layersOf(lower, [file(name)]));
    expect(pathsOf(tree)).toEqual(pathsOf(mergeLayers(layersOf(lower))));
    expect(codesOf(tree)).toEqual(['WHITEOUT_INVALID']);
  });

  it('that lead out of the root are clamped to it, with a warning', () => {
    const tree = mergeLayers(layersOf([file('a'), file('b')], [file('../.wh.a')]));
    expect(pathsOf(tree)).toEqual(['/b']);
    expect(codesOf(tree)).toEqual(['PATH_ESCAPES']);
  });

  it('count by their name alone, whatever their type', () => {
    expect(pathsOf(mergeLayers(layersOf([file('a'), file('b')], [dir('.wh.a'), symlink('.wh.b', 'x')])))).toEqual([]);
  });

  it('are only names that begin with .wh.', () => {
    expect(pathsOf(mergeLayers(layersOf([file('wh.a'), file('.whx'), file('.wh')])))).toEqual(['/.wh', '/.whx', '/wh.a']);
  });

  it('a file in a directory named like a whiteout is a file', () => {
    expect(pathsOf(mergeLayers(layersOf([dir('etc')], [file('.wh.etc/f')])))).toEqual(['/.wh.etc', '/.wh.etc/f', '/etc']);
  });
});

describe('opaque markers', () => {
  it.each([
    ['first', [file('d/.wh..wh..opq'), dir('d', { mode: 0o700 }), file('d/new')]],
    ['last', [dir('d', { mode: 0o700 }), file('d/new'), file('d/.wh..wh..opq')]],
    ['without an entry of the directory', [file('d/new'), file('d/.wh..wh..opq')]],
  ])('hide what the directory has below, whether they come %s', (_what, entries) => {
    expect(pathsOf(mergeLayers(layersOf(lower, entries)))).toEqual(['/d', '/d-not', '/d.txt', '/d/new']);
  });

  it('keep parents that their own layer implies', () => {
    expect(pathsOf(mergeLayers(layersOf(lower, [file('d/s/y'), file('d/.wh..wh..opq')])))).toEqual([
      '/d',
      '/d-not',
      '/d.txt',
      '/d/s',
      '/d/s/y',
    ]);
  });

  it('without anything new empty the directory and keep it', () => {
    const tree = mergeLayers(layersOf([dir('d', { uid: 9 }), file('d/x')], [file('d/.wh..wh..opq')]));
    expect(tree.entries[1]).toMatchObject({ path: '/d', uid: 9 });
    expect(tree.entries).toHaveLength(2);
  });

  it('at the root hide all layers below', () => {
    expect(pathsOf(mergeLayers(layersOf(lower, [file('new'), file('.wh..wh..opq')])))).toEqual(['/new']);
  });

  it('of a directory that replaces a symlink leave alone what the symlink led to', () => {
    const base = [dir('real'), file('real/x'), symlink('d', 'real')];
    const tree = mergeLayers(layersOf(base, [dir('d'), file('d/.wh..wh..opq'), file('d/y')]));
    expect(pathsOf(tree)).toEqual(['/d', '/d/y', '/real', '/real/x']);
  });
});

describe('what aufs leaves behind', () => {
  it('is no entry', () => {
    const entries = [dir('.wh..wh.plnk'), file('.wh..wh.plnk/1.2'), file('.wh..wh.aufs'), dir('d'), file('d/.wh..wh.orph')];
    const tree = mergeLayers(layersOf(entries));
    expect(pathsOf(tree)).toEqual(['/d']);
    expect(tree.warnings).toEqual([]);
  });

  it('can be the target of a hard link of its layer', () => {
    const tree = mergeLayers(layersOf([file('.wh..wh.plnk/1.2', 7), link('a', '.wh..wh.plnk/1.2'), link('b', 'a')]));
    expect(tree.entries.slice(1).map(({ path, size, linkCount, hardLinkTo }) => [path, size, linkCount, hardLinkTo])).toEqual([
      ['/a', 7, 2, undefined],
      ['/b', 7, 2, '/a'],
    ]);
  });
});
