/** Edges, each enumerated: every numeric field with every odd number, PAX records and sparse maps that are nearly right, ends of archives. */
import type { TarCase } from './cases.ts';
import { joinParts } from './feature-tars.ts';
import {
  base256,
  END,
  FIELDS,
  headerBlock,
  longMember,
  MAGIC,
  member,
  paxMember,
  paxRecord,
  sparseExtension,
  sparseTable,
  type HeaderField,
} from './tar-bytes.ts';

const after = member({ name: 'after' }, 'after');

export function edgeTars(): TarCase[] {
  return [
    ...numberTars(),
    ...typeTars(),
    ...paxRecordTars(),
    ...paxValueTars(),
    ...sparseTars(),
    ...orderTars(),
    ...endTars(),
    ...longTars(),
  ];
}

const ODD_OCTALS = [
  '',
  ' ',
  '\0',
  ' 12\0',
  '12 \0',
  '1 2',
  '1\0x',
  '12x',
  '-1',
  '+1',
  '8',
  '\0 7',
  '7 \0 7',
  '0x1',
  '1_0',
  '77777777',
  '00000007',
  '       7',
  '7       ',
];

function oddNumbers(length: number): (string | Buffer)[] {
  const powers = [
    0n,
    1n,
    255n,
    700n,
    2n ** 31n,
    2n ** 53n - 1n,
    2n ** 53n,
    2n ** 53n + 1n,
    2n ** 61n,
    2n ** 62n,
    2n ** 63n - 1n,
    2n ** 63n,
    2n ** 64n,
  ];
  const bounded = powers.filter((power) => power < 2n ** BigInt(8 * length - 2)).flatMap((power) => [power, -power - 1n]);
  return [
    ...ODD_OCTALS,
    '777777777777',
    ...bounded.map((value) => base256(value, length)),
    Buffer.alloc(length, 0xff),
    Buffer.concat([Buffer.from([0x80]), Buffer.alloc(length - 1, 0xff)]),
    Buffer.concat([Buffer.from([0xbf]), Buffer.alloc(length - 1, 0)]),
    Buffer.concat([Buffer.from([0xc0]), Buffer.alloc(length - 1, 0)]),
  ];
}

function numberTars(): TarCase[] {
  const base: HeaderField[] = ['mode', 'uid', 'gid', 'size', 'mtime', 'deviceMajor', 'deviceMinor'];
  const ustar = base.flatMap((field) => withOddNumbers('ustar', field, { magic: MAGIC.ustar }));
  const gnu = (['gnuAtime', 'gnuCtime'] as const).flatMap((field) => withOddNumbers('gnu', field, { magic: MAGIC.gnu }));
  const star = (['starAtime', 'starCtime'] as const).flatMap((field) => withOddNumbers('star', field, { starTrailer: 'tar\0' }));
  const links = withOddNumbers('link', 'size', { type: '2', link: 'target' });
  const special = withOddNumbers('pax header', 'size', { type: 'x' });
  const checksums = ODD_OCTALS.map((text, index) => ({
    name: `checksum ${index}`,
    tar: joinParts([member({ name: 'n', checksum: text }), after]),
  }));
  return [...ustar, ...gnu, ...star, ...links, ...special, ...checksums];
}

function withOddNumbers(label: string, field: HeaderField, fields: Record<string, string>): TarCase[] {
  return oddNumbers(FIELDS[field][1]).map((value, index) => ({
    name: `${label} ${field} ${index}`,
    tar: joinParts([Buffer.concat([headerBlock({ name: 'n', ...fields, [field]: value }), Buffer.alloc(512)]), after]),
  }));
}

function typeTars(): TarCase[] {
  const types = Array.from({ length: 256 }, (_, code) => code).filter((code) => code < 0x7f || code % 16 === 0);
  return types.flatMap((code) => {
    const type = Buffer.from([code]);
    return [
      { name: `type ${code}`, tar: joinParts([member({ name: 'name', type, link: 'l' }), after]) },
      { name: `type ${code} slash`, tar: joinParts([member({ name: 'name/', type }, '5 a=\n'), after]) },
      {
        name: `type ${code} pax size`,
        tar: joinParts([
          paxMember([
            ['size', '3'],
            ['path', 'p/'],
          ]),
          member({ name: 'n', type }, 'abc'),
          after,
        ]),
      },
    ];
  });
}

const RAW_PAX = [
  '',
  '5 a=\n',
  '6 a=b\n',
  '5 a=b\n',
  '7 a=b\n',
  '4 =\n',
  '5 =b\n',
  '05 a=\n',
  '+6 a=\n',
  '-6 a=b\n',
  '006 a=\n',
  ' 6 a=b\n',
  '6  a=b\n',
  '6\ta=b\n',
  '6 a=b',
  '6 a=b\0',
  '7 a=b\n\0',
  '6 a=b\n6 a=b\n',
  '6 a=b\n\n',
  '6 a=b\n\0\0\0',
  'a=b\n',
  '99999999999999999999 a=b\n',
  '9223372036854775807 a=b\n',
  '9007199254740993 a=b\n',
  '0 a=b\n',
  '6 ab\n\n',
  '5 ab\n',
  '9 a=b=c=\n',
  '10 path=\0\n',
  '10 p\0th=x\n',
  '11 path=a\0\n',
  '12 uname=a\0\n',
  '12 other=a\0\n',
  '1',
  '12',
  ' ',
  '\n',
  '6 \n=b\n',
  '00000000000000000006 a=b\n',
  '0000000000000000000000026 a=b\n',
  '26 SCHILY.xattr.user.a=bc\n',
  '18 SCHILY.xattr.=\n',
  '19 SCHILY.xattr.=v\n',
];

function paxRecordTars(): TarCase[] {
  return RAW_PAX.flatMap((text, index) => [
    {
      name: `pax record ${index}`,
      tar: joinParts([member({ name: 'x', type: 'x' }, text), member({ name: 'n' }, 'abc'), after]),
    },
    {
      name: `global pax record ${index}`,
      tar: joinParts([member({ name: 'g', type: 'g' }, text), member({ name: 'n' }, 'abc'), after]),
    },
  ]);
}

const PAX_NUMBERS = [
  '',
  '0',
  '1',
  '3',
  '+3',
  '-3',
  '-0',
  '3 ',
  ' 3',
  '3.0',
  '0x3',
  '3_0',
  '03',
  '1e3',
  '512',
  '9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '-9007199254740991',
  '-9007199254740992',
  '9223372036854775807',
  '9223372036854775808',
  '-9223372036854775808',
  '-9223372036854775809',
  '99999999999999999999',
  '+',
  '-',
  '0000000000000000000000000000000003',
];
const PAX_TIMES = [
  '.',
  '1.',
  '.5',
  '1.5',
  '-1.5',
  '-0.5',
  '-0',
  '+1.5',
  '1.5.5',
  '1.-5',
  '1.1234567899',
  '1.12345678x',
  '1.000000000',
  '-1.000000001',
  '-5.000',
  '1 .5',
  '-.5',
  '1.0000000001x',
];

function paxValueTars(): TarCase[] {
  const numbers = ['size', 'uid', 'gid', 'mtime', 'atime', 'ctime'].flatMap((key) =>
    PAX_NUMBERS.map((value) => [key, value] as const),
  );
  const times = ['mtime', 'atime', 'ctime'].flatMap((key) => PAX_TIMES.map((value) => [key, value] as const));
  const texts = ['path', 'linkpath', 'uname', 'gname', 'hdrcharset', 'GNU.sparse.name'].flatMap((key) =>
    ['', '\xff', 'a/', '../x', 'a\nb=c'].map((value) => [key, value] as const),
  );
  return [...numbers, ...times, ...texts].flatMap(([key, value], index) => [
    { name: `pax ${key} ${index}`, tar: joinParts([paxMember([[key, value]]), member({ name: 'n' }, 'abc'), after]) },
    {
      name: `pax ${key} ${index} on a link`,
      tar: joinParts([paxMember([[key, value]]), member({ name: 'n', type: '2', link: 'l' }), after]),
    },
    { name: `pax ${key} ${index} over a bad field`, tar: joinParts([paxMember([[key, value]]), unsafeOwner(), after]) },
  ]);
}

function unsafeOwner(): Buffer {
  return Buffer.concat([headerBlock({ name: 'n', uid: base256(2n ** 55n, 8), size: base256(3n, 12) }), Buffer.alloc(512)]);
}

const MAPS = [
  '',
  '0,3',
  '0,1,2,1',
  '0,3,',
  ',0,3',
  '0,3,1,1',
  '0,0',
  '3,0',
  '8192,0',
  '8193,0',
  '0,8192',
  '0,8193',
  '-1,1',
  '1,-1',
  '4,1,2,1',
  '0',
  'a,b',
  '0,9007199254740993',
  '9223372036854775807,1',
  '9007199254740993,0',
  '+0,+3',
  '0, 3',
  '0,3\0',
];

function sparseTars(): TarCase[] {
  return [...recordMapTars(), ...payloadMapTars(), ...oldSparseTars()];
}

function recordMapTars(): TarCase[] {
  const counted = MAPS.flatMap((map) => ['', '0', '1', '2', '-1', '4611686018427387904'].map((count) => ({ map, count })));
  const maps = counted.map(({ map, count }, index) => ({
    name: `sparse 0.1 map ${index}`,
    tar: sparseTar([
      ['GNU.sparse.size', '8192'],
      ['GNU.sparse.numblocks', count],
      ['GNU.sparse.map', map],
    ]),
  }));
  const map = [
    ['GNU.sparse.numblocks', '1'],
    ['GNU.sparse.map', '0,3'],
  ] as const;
  const sizes = ['', '3', '2', '-3', '9007199254740993', '9223372036854775808', 'x'].flatMap((size, index) => [
    { name: `sparse size ${index}`, tar: sparseTar([['GNU.sparse.size', size], ...map]) },
    { name: `sparse realsize ${index}`, tar: sparseTar([['GNU.sparse.realsize', size], ['GNU.sparse.size', ''], ...map]) },
  ]);
  const versions = ['0.0', '0.1', '0.2', '1.0', '1.1', '2.0', '.', '0.', '.0', '1.', '.1'].map((version) => {
    const [major = '', minor = ''] = version.split('.');
    return {
      name: `sparse version ${version}`,
      tar: sparseTar([['GNU.sparse.major', major], ['GNU.sparse.minor', minor], ...map]),
    };
  });
  const pairs = ['on', 'no', 'onon', 'oo', 'nn', 'ono', 'on,'].map((order) => ({
    name: `sparse 0.0 pairs ${order}`,
    tar: sparseTar([['GNU.sparse.size', '8192'], ['GNU.sparse.numblocks', '1'], ...[...order].map(pairRecord)]),
  }));
  return [...maps, ...sizes, ...versions, ...pairs];
}

function pairRecord(letter: string): readonly [string, string] {
  if (letter === 'o') return ['GNU.sparse.offset', '0'];
  return ['GNU.sparse.numbytes', letter === 'n' ? '3' : '1,2'];
}

function sparseTar(records: readonly (readonly [string, string])[]): Buffer {
  return joinParts([
    paxMember(records),
    member({ name: 'n' }, 'abc'),
    paxMember(records),
    member({ name: 'l', type: '2' }),
    after,
  ]);
}

function payloadMapTars(): TarCase[] {
  const maps = [
    '0\n',
    '1\n0\n3\n',
    '1\n0\n3',
    '2\n0\n1\n2\n1\n',
    '\n',
    '0',
    '-1\n',
    '1\n\n\n',
    '1\na\n3\n',
    '+1\n+0\n+3\n',
    '1\n3\n0\n',
    '1\n0\n9000\n',
    '99\n0\n3\n',
    '10000000\n0\n3\n',
    '4611686018427387904\n',
    '9223372036854775807\n',
    '9223372036854775808\n',
    '9007199254740993\n',
    '1\n0\n9007199254740993\n',
    `${'0'.repeat(600)}1\n0\n3\n`,
    `${'0\n'.repeat(600)}`,
    '300\n' + Array.from({ length: 300 }, (_, index) => `${index * 4}\n2\n`).join(''),
  ];
  return maps.flatMap((map, index) => {
    const blocks = Math.ceil(map.length / 512) * 512;
    const content = map.padEnd(blocks, '\0');
    return ['abc', 'x'.repeat(600), ''].flatMap((data, which) => [
      { name: `sparse 1.0 map ${index} data ${which}`, tar: payloadMapTar(content + data, (content + data).length) },
      { name: `sparse 1.0 map ${index} data ${which} short`, tar: payloadMapTar(content + data, map.length) },
    ]);
  });
}

function payloadMapTar(content: string, size: number): Buffer {
  const records = [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.realsize', '8192'],
  ] as const;
  return joinParts([paxMember(records), member({ name: 'n', size }, content), after]);
}

function oldSparseTars(): TarCase[] {
  const tables = [
    [],
    [[0, 3]],
    [
      [0, 1],
      [2, 1],
    ],
    [
      [2, 1],
      [0, 1],
    ],
    [[8192, 0]],
    [[8193, 0]],
    [[0, 8193]],
    [
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 0],
    ],
  ] as const;
  const made = tables.flatMap((table, index) =>
    [MAGIC.gnu, MAGIC.ustar, MAGIC.v7].map((magic, which) => ({
      name: `old sparse ${index} magic ${which}`,
      tar: joinParts([member({ name: 'n', type: 'S', magic, gnuSparse: sparseTable(table), gnuRealSize: 8192 }, 'abc'), after]),
    })),
  );
  const sizes = oddNumbers(12).map((value, index) => ({
    name: `old sparse real size ${index}`,
    tar: joinParts([
      member({ name: 'n', type: 'S', magic: MAGIC.gnu, gnuSparse: sparseTable([[0, 3]]), gnuRealSize: value }, 'abc'),
      after,
    ]),
  }));
  const offsets = oddNumbers(12).flatMap((value, index) => {
    const bytes = typeof value === 'string' ? Buffer.from(value.padEnd(12, '\0'), 'latin1') : value;
    const row = Buffer.concat([bytes, Buffer.from('00000000001\0')]);
    const fields = { name: 'n', type: 'S', magic: MAGIC.gnu, gnuRealSize: base256(2n ** 60n, 12) };
    return [{ name: `old sparse offset ${index}`, tar: joinParts([member({ ...fields, gnuSparse: row }, 'abc'), after]) }];
  });
  const extensions = [0, 1, 2, 40].map((count) => ({
    name: `old sparse with ${count} extensions`,
    tar: joinParts([
      headerBlock({
        name: 'n',
        size: 3,
        type: 'S',
        magic: MAGIC.gnu,
        gnuRealSize: 8192,
        gnuExtended: count === 0 ? '\0' : '\x01',
      }),
      ...Array.from({ length: count }, (_, index) =>
        sparseExtension(
          [
            [index * 4, 1],
            [index * 4 + 1, 2],
          ],
          index + 1 < count,
        ),
      ),
      Buffer.from('abc'.padEnd(512, '\0')),
      after,
    ]),
  }));
  return [...made, ...sizes, ...offsets, ...extensions];
}

/** Every order of up to three special headers in front of a member. */
function orderTars(): TarCase[] {
  const specials = {
    x: paxMember([
      ['path', 'from-x'],
      ['size', '3'],
      ['SCHILY.xattr.a', 'b'],
    ]),
    y: paxMember([
      ['linkpath', 'from-y'],
      ['mtime', '5'],
    ]),
    e: paxMember([['path', '']]),
    g: paxMember(
      [
        ['path', 'from-g'],
        ['size', '600'],
      ],
      'g',
    ),
    L: longMember('L', 'from-L'),
    K: longMember('K', 'from-K'),
    l: longMember('L', ''),
    S: Buffer.concat([headerBlock({ name: 'L', type: 'L', size: 0 })]),
    Z: member({ name: 'unknown', type: 'Z' }, 'zz'),
  };
  const letters = Object.keys(specials) as (keyof typeof specials)[];
  const orders = letters.flatMap((a) =>
    letters.flatMap((b) => [[a, b], ...letters.filter((c) => c !== a).map((c) => [a, b, c] as const)]),
  );
  return orders.map((order) => ({
    name: `order ${order.join('')}`,
    tar: joinParts([...order.map((letter) => specials[letter]), member({ name: 'n', link: 'o', size: 3 }, 'abc'), after]),
  }));
}

function endTars(): TarCase[] {
  const zero = Buffer.alloc(512);
  const first = member({ name: 'first' }, 'abc');
  const special = longMember('L', 'x');
  const tails: Record<string, readonly Buffer[]> = {
    'nothing at all': [],
    'no end': [first],
    'one zero': [first, zero],
    'one zero and a member': [first, zero, after],
    'one zero and a cut block': [first, zero, zero.subarray(0, 100)],
    'two zeros and a member': [first, zero, zero, after],
    'two zeros and garbage': [first, zero, zero, Buffer.alloc(700, 0xaa)],
    'three zeros': [first, zero, zero, zero],
    'only one zero': [zero],
    'only zeros': [END],
    'zero and garbage': [zero, Buffer.alloc(512, 1)],
    'cut in padding': [first.subarray(0, 512 + 100)],
    'cut at the end of content': [first.subarray(0, 512 + 3)],
    'cut in content': [first.subarray(0, 512 + 2)],
    'cut in header': [first.subarray(0, 511)],
    'one byte': [zero.subarray(0, 1)],
    'only a long name': [special],
    'long name cut in padding': [special.subarray(0, 512 + 2)],
    'long name cut in content': [special.subarray(0, 512 + 1)],
    'long name and end': [special, END],
    'empty long name, no end': [headerBlock({ name: 'L', type: 'L' })],
    garbage: [Buffer.alloc(1024, 0x41)],
  };
  return Object.entries(tails).map(([name, parts]) => ({ name: `end: ${name}`, tar: Buffer.concat(parts) }));
}

/** Around the 1 MiB cap of special headers. */
function longTars(): TarCase[] {
  const cap = 1 << 20;
  const names = [cap - 1, cap, cap + 1].map((length) => ({
    name: `long name of ${length}`,
    tar: joinParts([member({ name: 'L', type: 'L', magic: MAGIC.gnu }, 'n'.repeat(length)), after]),
  }));
  const record = (total: number) => paxRecord('comment', 'c'.repeat(total - '1048576 comment=\n'.length));
  const records = [cap, cap + 1].map((length) => ({
    name: `pax header of ${length}`,
    tar: joinParts([member({ name: 'x', type: 'x' }, record(length)), after]),
  }));
  const maps = [2048, 2049].map((blocks) => ({
    name: `sparse 1.0 map of ${blocks} blocks`,
    tar: payloadMapTar(`${'0'.repeat(blocks * 512 - 5)}0\n`.padEnd(blocks * 512, '\0'), blocks * 512),
  }));
  const extensions = [2047, 2048].map((count) => ({
    name: `old sparse with ${count} extensions`,
    tar: joinParts([
      headerBlock({ name: 'n', type: 'S', magic: MAGIC.gnu, gnuRealSize: 8192, gnuExtended: '\x01' }),
      ...Array.from({ length: count }, (_, index) => sparseExtension([], index + 1 < count)),
      after,
    ]),
  }));
  return [...names, ...records, ...maps, ...extensions];
}
