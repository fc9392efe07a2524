/**
 * The names of containerd's TestBreakouts (pkg/archive/tar_test.go) as merge cases: where containerd unpacks, we have the
 * same tree; where it refuses the layer, the entry is left out with a warning.
 */
import { describe, expect, it } from 'vitest';

import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import {
  at,
  codesOf,
  dir,
  file,
  layersOf,
  link,
  listing,
  mergeLayers,
  pathsOf,
  symlink,
  type WholeTree,
} from '../layer-index/layers.ts';

interface Breakout {
  readonly name: string;
  /** What the root file system holds before. */
  readonly base?: readonly TarEntry[];
  readonly layer: readonly TarEntry[];
  readonly check: (tree: WholeTree) => void;
  readonly warnings?: readonly string[];
}

const UNBROKEN = 8;
const PASSWD = 6;
const etc = [dir('etc', { mode: 0o770 }), file('/etc/passwd', PASSWD)];

const isUnbroken = (tree: WholeTree): void => expect(at(tree, '/etc/unbroken')).toMatchObject({ kind: 'file', size: UNBROKEN });
const isSame = (one: string, other: string) => (tree: WholeTree) => {
  expect(at(tree, one)?.inode).toBeDefined();
  expect(at(tree, one)?.inode).toBe(at(tree, other)?.inode);
  expect(at(tree, one)).toMatchObject({ kind: at(tree, other)?.kind, linkCount: 2 });
};
const isSymlink = (path: string, target: string) => (tree: WholeTree) =>
  expect(at(tree, path)).toMatchObject({ kind: 'symlink', target });
const holds =
  (...lines: readonly string[]) =>
  (tree: WholeTree) =>
    expect(listing(tree)).toEqual(lines);

const BREAKOUTS: readonly Breakout[] = [
  {
    name: 'SymlinkAbsolute',
    layer: [dir('etc'), symlink('localetc', '/etc'), file('/localetc/unbroken', UNBROKEN)],
    check: isUnbroken,
  },
  {
    name: 'SymlinkUpAndOut',
    layer: [dir('etc'), dir('dummy'), symlink('localetc', '/dummy/../etc'), file('/localetc/unbroken', UNBROKEN)],
    check: isUnbroken,
  },
  {
    name: 'SymlinkMultipleAbsolute',
    layer: [
      ...[dir('etc'), dir('dummy'), symlink('/dummy/etc', '/etc'), symlink('localetc', '/dummy/etc')],
      file('/dummy/etc/unbroken', UNBROKEN),
    ],
    check: isUnbroken,
  },
  {
    name: 'SymlinkMultipleRelative',
    layer: [
      ...[dir('etc'), dir('dummy'), symlink('/dummy/etc', '/etc'), symlink('localetc', './dummy/etc')],
      file('/dummy/etc/unbroken', UNBROKEN),
    ],
    check: isUnbroken,
  },
  {
    name: 'SymlinkEmptyFile',
    layer: [dir('etc'), file('etc/emptied', 8), symlink('localetc', '/etc'), file('/localetc/emptied', 0)],
    check: holds('/etc directory', '/etc/emptied file 0', '/localetc symlink -> /etc'),
    warnings: ['DUPLICATE_PATH'],
  },
  {
    name: 'HardlinkRelative',
    layer: [...etc, dir('breakouts'), symlink('breakouts/d1', '../../etc'), link('breakouts/mypasswd', '/breakouts/d1/passwd')],
    check: isSame('/breakouts/mypasswd', '/etc/passwd'),
  },
  {
    name: 'HardlinkDownAndOut',
    layer: [
      ...etc,
      ...[dir('breakouts'), dir('downandout'), symlink('breakouts/d1', '../downandout/../../etc')],
      link('breakouts/mypasswd', '/breakouts/d1/passwd'),
    ],
    check: isSame('/breakouts/mypasswd', '/etc/passwd'),
  },
  {
    name: 'HardlinkAbsolute',
    layer: [...etc, symlink('localetc', '/etc'), link('localpasswd', '/localetc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
  },
  {
    name: 'HardlinkRelativeLong',
    layer: [...etc, symlink('localetc', '../../../../../../../etc'), link('localpasswd', '/localetc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
  },
  {
    name: 'HardlinkRelativeUpAndOut',
    layer: [...etc, symlink('localetc', 'upandout/../../../etc'), link('localpasswd', '/localetc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
  },
  {
    name: 'HardlinkDirectRelative',
    layer: [...etc, link('localpasswd', '../../../../../etc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
    warnings: ['PATH_ESCAPES'],
  },
  {
    name: 'HardlinkDirectAbsolute',
    layer: [...etc, link('localpasswd', '/etc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
  },
  {
    name: 'SymlinkParentDirectory',
    layer: [...etc, symlink('..', '/etc/'), link('localpasswd', '/etc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
    warnings: ['PATH_ESCAPES', 'NAME_INVALID'],
  },
  {
    name: 'SymlinkEmptyFilename',
    layer: [...etc, symlink('', '/etc/'), link('localpasswd', '/etc/passwd')],
    check: isSame('/localpasswd', '/etc/passwd'),
    warnings: ['NAME_INVALID'],
  },
  {
    name: 'SymlinkParentRelative',
    layer: [...etc, symlink('localetc/sub/..', '/etc/'), link('/localetc/localpasswd', '/etc/passwd')],
    check: isSame('/etc/localpasswd', '/etc/passwd'),
  },
  {
    name: 'SymlinkSlashEnded',
    layer: [...etc, dir('localetc/', { mode: 0o770 }), link('/localetc/localpasswd', '/etc/passwd')],
    check: isSame('/localetc/localpasswd', '/etc/passwd'),
  },
  {
    name: 'SymlinkOverrideDirectory',
    base: [...etc, dir('localetc')],
    layer: [symlink('localetc', '/etc'), link('/localetc/localpasswd', '/etc/passwd')],
    check: isSame('/etc/localpasswd', '/etc/passwd'),
  },
  {
    name: 'SymlinkOverrideDirectoryRelative',
    base: [...etc, dir('localetc')],
    layer: [symlink('localetc', '../../etc'), link('/localetc/localpasswd', '/etc/passwd')],
    check: isSame('/etc/localpasswd', '/etc/passwd'),
  },
  {
    name: 'DirectoryOverrideSymlink',
    base: [...etc, symlink('localetc', '/etc')],
    layer: [dir('/localetc/'), link('/localetc/localpasswd', '/etc/passwd')],
    check: isSame('/localetc/localpasswd', '/etc/passwd'),
  },
  {
    name: 'DirectoryOverrideSymlinkAndHardlink',
    base: [...etc, symlink('localetc', 'etc'), link('/localetc/localpasswd', '/etc/passwd')],
    layer: [dir('/localetc/'), file('/localetc/localpasswd', 9)],
    check: (tree) => {
      isSame('/etc/localpasswd', '/etc/passwd')(tree);
      expect(at(tree, '/localetc/localpasswd')).toMatchObject({ size: 9, linkCount: 1 });
    },
  },
  {
    name: 'WhiteoutRootParent',
    base: etc,
    layer: [file('.wh...', 0)],
    check: holds('/etc directory', '/etc/passwd file 6'),
    warnings: ['WHITEOUT_INVALID'],
  },
  {
    name: 'WhiteoutParent',
    base: etc,
    layer: [file('etc/.wh...', 0)],
    check: holds('/etc directory', '/etc/passwd file 6'),
    warnings: ['WHITEOUT_INVALID'],
  },
  {
    name: 'WhiteoutRoot',
    base: etc,
    layer: [file('.wh..', 0)],
    check: holds('/etc directory', '/etc/passwd file 6'),
    warnings: ['WHITEOUT_INVALID'],
  },
  {
    name: 'WhiteoutCurrentDirectory',
    base: etc,
    layer: [file('etc/.wh..', 0)],
    check: holds('/etc directory', '/etc/passwd file 6'),
    warnings: ['WHITEOUT_INVALID'],
  },
  {
    name: 'WhiteoutSymlink',
    base: [...etc, symlink('localetc', '/etc')],
    layer: [file('.wh.localetc', 0)],
    check: holds('/etc directory', '/etc/passwd file 6'),
  },
  {
    name: 'WhiteoutSymlinkPath',
    base: [...etc, file('etc/whitedout', 14), symlink('localetc', '/etc')],
    layer: [file('localetc/.wh.whitedout', 0)],
    check: holds('/etc directory', '/etc/passwd file 6', '/localetc symlink -> /etc'),
  },
  {
    name: 'WhiteoutDirectoryName',
    base: etc,
    layer: [file('.wh.etc/somefile', 9)],
    check: holds('/.wh.etc directory', '/.wh.etc/somefile file 9', '/etc directory', '/etc/passwd file 6'),
  },
  {
    name: 'WhiteoutDeadSymlinkParent',
    base: [...etc, symlink('localetc', '/dne')],
    layer: [file('localetc/.wh.etc', 0)],
    check: holds('/etc directory', '/etc/passwd file 6', '/localetc symlink -> /dne'),
  },
  {
    name: 'WhiteoutRelativePath',
    base: [...etc, symlink('localetc', '/dne')],
    layer: [file('dne/../.wh.etc', 0)],
    check: holds('/localetc symlink -> /dne'),
  },
  {
    name: 'HardlinkSymlinkBeforeCreateTarget',
    layer: [
      ...[dir('etc'), symlink('localpasswd', '/etc/passwd'), link('localpasswd-dup', 'localpasswd')],
      file('/etc/passwd', 5),
    ],
    check: isSymlink('/localpasswd-dup', '/etc/passwd'),
  },
  {
    name: 'HardlinkSymlinkRelative',
    layer: [...etc, symlink('passwdlink', '../../../../../etc/passwd'), link('localpasswd', '/passwdlink')],
    check: isSymlink('/localpasswd', '../../../../../etc/passwd'),
  },
  {
    name: 'HardlinkSymlinkAbsolute',
    layer: [...etc, symlink('passwdlink', '/etc/passwd'), link('localpasswd', '/passwdlink')],
    check: isSame('/localpasswd', '/passwdlink'),
  },
  {
    name: 'HardlinkSymlinkChmod',
    layer: [symlink('/tmp/also-exists-outside-root', '/tmp/perm400'), link('sketchylink', '/tmp/also-exists-outside-root')],
    check: isSymlink('/sketchylink', '/tmp/perm400'),
  },
];

describe('containerd TestBreakouts', () => {
  it.each(BREAKOUTS)('$name', ({ base, layer, check, warnings }) => {
    const tree = mergeLayers(layersOf(base ?? [], layer));
    check(tree);
    expect(codesOf(tree)).toEqual(warnings ?? []);
    for (const path of pathsOf(tree)) expect(path).toMatch(/^\/[^/]+(?:\/[^/]+)*$/);
  });
});

describe('symlink chains to a hard link (CVE-2026-26960)', () => {
  it('end inside the root', () => {
    const tree = mergeLayers(
      layersOf([
        ...etc,
        ...[dir('a/b/c'), symlink('a/b/c/up', '../..'), symlink('a/b/escape', 'c/up/../..')],
        link('exfil', 'a/b/escape/etc/passwd'),
        file('a/b/escape/planted', 3),
      ]),
    );
    expect(at(tree, '/exfil')).toMatchObject({ size: PASSWD, hardLinkTo: '/etc/passwd' });
    expect(at(tree, '/planted')).toMatchObject({ size: 3 });
    expect(tree.warnings).toEqual([]);
  });
});

describe('names that lead out (CVE-2026-23745)', () => {
  it.each([
    ['../../etc/passwd', '/etc/passwd', ['PATH_ESCAPES']],
    ['/abs', '/abs', []],
    ['a/../../b', '/b', ['PATH_ESCAPES']],
    ['..\\x', '/..\\x', []],
    ['a/../b', '/b', []],
  ])('%s is %s', (name, path, codes) => {
    const tree = mergeLayers(layersOf([file(name, 7)]));
    expect(at(tree, path)).toMatchObject({ kind: 'file', size: 7 });
    expect(codesOf(tree)).toEqual(codes);
  });
});
