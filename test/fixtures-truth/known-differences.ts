/** What of our `.clip` differs from Go CLIP's for the fixtures, and why (FORMATS §1, "What we write" 2, 4 and 6). */
import type { KnownDifference } from './compare-dump.ts';

const node = (reason: string, ...subjects: readonly string[]): KnownDifference[] =>
  subjects.map((subject) => ({ subject, fields: ['node'], reason }));

const fields = (reason: string, names: readonly string[], ...subjects: readonly string[]): KnownDifference[] =>
  subjects.map((subject) => ({ subject, fields: names, reason }));

const CHECKPOINTS = fields(
  "Go CLIP writes the end of the stream as a checkpoint, where its reader can't start; we write offset 0 and member starts",
  ['GzipIdxByLayer'],
  'storageInfo',
);

const ORDER = node(
  'an opaque marker and a whiteout act on lower layers only, wherever they stand in their own',
  '/opq2/upper-before',
  '/same-layer',
);

const ROOT_TIME = fields(
  'no layer lists the root: Go CLIP writes the time it ran, we the time of the image',
  ['atime', 'mtime', 'ctime', 'atimensec', 'mtimensec', 'ctimensec'],
  '/',
);

const LONG_DIRECTORIES = [1, 2, 3, 4].map((count) => `/odd/long${`/${'d'.repeat(40)}`.repeat(count)}`);
const PREFIX_DIRECTORY = `/odd/prefix/${'p'.repeat(100)}`;
const PAX_DIRECTORY = `/odd/pax/${'q'.repeat(200)}`;

const ODD: readonly KnownDifference[] = [
  ...CHECKPOINTS,
  ...ORDER,
  ...fields('setuid, setgid and sticky survive', ['mode'], '/odd/setuid', '/odd/setgid', '/odd/sticky'),
  ...node(
    'parents missing from the tar are made',
    ...['/odd/implicit', '/odd/implicit/parent', '/odd/implicit/parent/dir'],
    ...['/odd/long', ...LONG_DIRECTORIES, '/odd/prefix', PREFIX_DIRECTORY, '/odd/pax', PAX_DIRECTORY],
  ),
  ...node('a directory replaced by a file takes its children along', '/was-dir/child'),
  ...node('a directory replaced by a symlink takes its children along', '/dir-to-link/child'),
  ...node('type 7 is a file', '/odd/contiguous'),
  ...node('an old GNU sparse file is a file', '/odd/sparse-gnu'),
  ...fields(
    'a sparse file has no place in the tar where it could be read as it is: its map is in the extension',
    ['remote'],
    '/odd/sparse-pax01',
    '/odd/sparse-pax10',
  ),
  ...node('a forward hard link resolves', '/odd/links/hard-forward'),
  ...fields('a hard link to a symlink is a symlink', ['type', 'target'], '/odd/links/hard-to-symlink'),
  ...fields(
    'hard links count',
    ['nlink'],
    ...['/hl-cross', '/hl-replaced', '/hl-src'],
    ...['orig', 'hard', 'hard-abs', 'hard-dot', 'hard-of-hard'].map((name) => `/odd/links/${name}`),
    ...['zz-later', 'rel', 'hard-to-symlink'].map((name) => `/odd/links/${name}`),
  ),
];

/** By name of the fixture. */
export const KNOWN_DIFFERENCES: Readonly<Record<string, readonly KnownDifference[]>> = {
  'odd-gzip': ODD,
  duplayer: [...CHECKPOINTS, ...ORDER, ...ROOT_TIME],
  multiplatform: [...CHECKPOINTS, ...ORDER, ...ROOT_TIME],
};
