/** Valid tars, one a feature; parts are members or special headers, so that mutations can cut, double and swap them. */
import { base256, END, headerBlock, longMember, MAGIC, member, paxMember, sparseExtension, sparseTable } from './tar-bytes.ts';

export interface TarParts {
  readonly name: string;
  readonly parts: readonly Buffer[];
}

const LONG_NAME = `${'long-directory/'.repeat(15)}file`;
const GNU = { magic: MAGIC.gnu };
const DATA = 'x'.repeat(700);

export const SPARSE_MAP_10 = '2\n0\n512\n4096\n188\n';

/** The tar of these parts, ended as it should be. */
export function joinParts(parts: readonly Buffer[]): Buffer {
  return Buffer.concat([...parts, END]);
}

export function featureTars(): TarParts[] {
  return [...plainTars(), ...gnuTars(), ...paxTars(), ...sparseTars(), ...embeddedTars()];
}

function plainTars(): TarParts[] {
  const kinds = [
    member({ name: 'dir/', type: '5', mode: 0o755 }),
    member({ name: 'dir/file', userName: 'root', groupName: 'wheel', uid: 1000, gid: 100 }, DATA),
    member({ name: 'dir/link', type: '2', link: 'file', size: 77 }),
    member({ name: 'dir/hard', type: '1', link: 'dir/file', size: 700 }),
    member({ name: 'dev', type: '3', deviceMajor: 5, deviceMinor: 1 }),
    member({ name: 'disk', type: '4', deviceMajor: 8, deviceMinor: 3 }),
    member({ name: 'pipe', type: '6' }),
    member({ name: 'contiguous', type: '7' }, 'content'),
  ];
  return [
    { name: 'ustar kinds', parts: kinds },
    { name: 'ustar prefix', parts: [member({ name: 'leaf', prefix: 'a/deep/prefix' }, DATA), member({ name: 'after' }, 'a')] },
    {
      name: 'v7',
      parts: [member({ name: 'old', type: '\0', magic: MAGIC.v7 }, DATA), member({ name: 'd/', type: '\0', magic: MAGIC.v7 })],
    },
    { name: 'star', parts: [member({ ...starFields(), name: 'star' }, DATA), member({ name: 'after' }, 'a')] },
    {
      name: 'raw bytes',
      parts: [member({ name: '\xff\xfe/\x80', userName: '\xe9' }, 'a'), member({ name: 'b', type: '2', link: '\xc3\x28' })],
    },
    { name: 'unknown types', parts: ['A', 'V', 'M', 'Z', '8'].map((type) => member({ name: `t${type}`, type }, 'unknown')) },
    { name: 'no members', parts: [] },
  ];
}

function starFields() {
  return { prefix: 'star/prefix', starAtime: '14371516400\0', starCtime: '14371516401\0', starTrailer: 'tar\0' };
}

function gnuTars(): TarParts[] {
  const times = { ...GNU, gnuAtime: 1_600_000_000, gnuCtime: 1_600_000_001 };
  return [
    {
      name: 'gnu long name',
      parts: [longMember('L', LONG_NAME), member({ ...GNU, name: LONG_NAME }, DATA), member({ name: 'after' }, 'b')],
    },
    { name: 'gnu long link', parts: [longMember('K', LONG_NAME), member({ ...GNU, name: 'l', type: '2', link: 'short' })] },
    {
      name: 'gnu long both',
      parts: [
        longMember('K', `${LONG_NAME}-k`),
        longMember('L', LONG_NAME),
        member({ ...GNU, name: 'l', type: '1', link: 's' }, ''),
      ],
    },
    { name: 'gnu times', parts: [member({ ...times, name: 'timed' }, DATA)] },
    {
      name: 'gnu base-256',
      parts: [
        member({ ...GNU, name: 'big', size: base256(700n, 12), uid: base256(5_000_000n, 8), mtime: base256(-5n, 12) }, DATA),
      ],
    },
    { name: 'gnu old prefix', parts: [member({ ...GNU, name: 'leaf', prefix: 'go1.7/prefix' }, DATA)] },
  ];
}

function paxTars(): TarParts[] {
  const records = [
    ['path', LONG_NAME],
    ['mtime', '1700000000.123456789'],
    ['atime', '-1.5'],
    ['ctime', '1700000001'],
    ['uid', '3000000'],
    ['gid', '3000001'],
    ['uname', 'us\xc3\xa9r'],
    ['gname', 'group'],
    ['comment', 'nothing'],
    ['SCHILY.xattr.security.capability', '\x01\0\0\x02\xff=\n\0'],
    ['SCHILY.xattr.user.empty', ''],
    ['LIBARCHIVE.xattr.user.x', 'AAAA'],
  ] as const;
  return [
    { name: 'pax all', parts: [paxMember(records), member({ name: 'short' }, DATA), member({ name: 'after' }, 'c')] },
    { name: 'pax link', parts: [paxMember([['linkpath', LONG_NAME]]), member({ name: 'l', type: '2', link: 's' })] },
    {
      name: 'pax size',
      parts: [paxMember([['size', '700']]), member({ name: 'sized', size: 0 }, DATA), member({ name: 'after' }, 'c')],
    },
    {
      name: 'pax global',
      parts: [paxMember([['path', 'global']], 'g'), member({ name: 'kept' }, 'd'), member({ name: 'kept2' }, 'e')],
    },
    {
      name: 'pax and gnu',
      parts: [
        paxMember([
          ['size', '700'],
          ['path', 'pax-name'],
        ]),
        longMember('L', LONG_NAME),
        member({ name: 'both', size: 0 }, DATA),
      ],
    },
    {
      name: 'gnu and pax',
      parts: [
        longMember('L', LONG_NAME),
        paxMember([
          ['size', '700'],
          ['path', 'pax-name'],
        ]),
        member({ name: 'both', size: 0 }, DATA),
      ],
    },
  ];
}

function sparseTars(): TarParts[] {
  const pairs = [
    [0, 512],
    [4096, 188],
  ] as const;
  const old = { ...GNU, type: 'S', gnuSparse: sparseTable(pairs), gnuRealSize: 8192 };
  const named = [
    ['GNU.sparse.name', 'real'],
    ['GNU.sparse.realsize', '8192'],
  ] as const;
  const dense = member({ name: 'GNUSparseFile.0/real' }, DATA);
  const after = member({ name: 'after' }, 'f');
  const extended = headerBlock({ ...old, name: 'ext', size: 700, gnuExtended: '\x01' });
  const mapped = Buffer.concat([Buffer.from(SPARSE_MAP_10.padEnd(512, '\0')), Buffer.from(DATA)]);
  const numbers = pairs.flatMap(
    ([offset, length]) =>
      [
        ['GNU.sparse.offset', `${offset}`],
        ['GNU.sparse.numbytes', `${length}`],
      ] as const,
  );
  return [
    { name: 'sparse old', parts: [member({ ...old, name: 'sparse' }, DATA), after] },
    {
      name: 'sparse old extended',
      parts: [
        Buffer.concat([
          extended,
          sparseExtension(
            [
              [5000, 10],
              [5100, 0],
            ],
            true,
          ),
          sparseExtension([[6000, 1]]),
        ]),
        Buffer.concat([Buffer.from(DATA), Buffer.alloc(324)]),
        after,
      ],
    },
    {
      name: 'sparse 0.0',
      parts: [paxMember([['GNU.sparse.size', '8192'], ['GNU.sparse.numblocks', '2'], ...numbers]), dense, after],
    },
    {
      name: 'sparse 0.1',
      parts: [paxMember([...named, ['GNU.sparse.numblocks', '2'], ['GNU.sparse.map', '0,512,4096,188']]), dense, after],
    },
    {
      name: 'sparse 1.0',
      parts: [
        paxMember([...named, ['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0']]),
        member({ name: 'GNUSparseFile.0/real' }, mapped),
        after,
      ],
    },
  ];
}

function embeddedTars(): TarParts[] {
  const inner = joinParts([
    member({ name: 'inner/evil', mode: 0o4755 }, 'payload'),
    paxMember([['path', 'inner/pax']]),
    member({ name: 'i' }),
  ]);
  return [
    { name: 'embedded tar', parts: [member({ name: 'outer.tar' }, inner), member({ name: 'after' }, 'g')] },
    {
      name: 'embedded tar, pax size 0',
      parts: [paxMember([['size', '0']]), member({ name: 'outer.tar' }, inner), member({ name: 'after' }, 'g')],
    },
    {
      name: 'embedded tar, ustar size 0',
      parts: [
        paxMember([['size', `${inner.length}`]]),
        member({ name: 'outer.tar', size: 0 }, inner),
        member({ name: 'after' }, 'g'),
      ],
    },
  ];
}
