/** Sparse maps of all four formats that are nearly right. */
import type { TarCase } from './cases.ts';
import { oddNumbers } from './edge-numbers.ts';
import { joinParts } from './feature-tars.ts';
import {
  base256,
  headerBlock,
  MAGIC,
  member,
  paxMember,
  sparseExtension,
  sparseTable,
  AFTER,
  type HeaderFields,
} from './tar-bytes.ts';

const MAPS = [
  '',
  '0,3',
  '0,1,2,1',
  '0,3,',
  ',0,3',
  '0,3,1,1',
  '0,3,2,1',
  '0,3,3,1',
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

export function sparseTars(): TarCase[] {
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
    tar: sparseTar([['GNU.sparse.size', '8192'], ['GNU.sparse.numblocks', '1'], ...Array.from(order, pairRecord)]),
  }));
  const types = ['1', '2', '5', 'S', 'Z', '\0'].map((type) => ({
    name: `sparse type ${type}`,
    tar: sparseTar([...map], { type, link: 'l' }),
  }));
  return [...maps, ...sizes, ...versions, ...pairs, ...types];
}

function pairRecord(letter: string): readonly [string, string] {
  if (letter === 'o') return ['GNU.sparse.offset', '0'];
  return ['GNU.sparse.numbytes', letter === 'n' ? '3' : '1,2'];
}

function sparseTar(records: readonly (readonly [string, string])[], fields: HeaderFields = {}): Buffer {
  return joinParts([paxMember(records), member({ name: 'n', ...fields }, 'abc'), AFTER]);
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
    '0\n'.repeat(600),
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

/** A tar with one PAX 1.0 sparse member of this stored content. */
export function payloadMapTar(content: string, size: number): Buffer {
  const records = [
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.realsize', '8192'],
  ] as const;
  return joinParts([paxMember(records), member({ name: 'n', size }, content), AFTER]);
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
      tar: joinParts([member({ name: 'n', type: 'S', magic, gnuSparse: sparseTable(table), gnuRealSize: 8192 }, 'abc'), AFTER]),
    })),
  );
  const sizes = oddNumbers(12).map((value, index) => ({
    name: `old sparse real size ${index}`,
    tar: joinParts([
      member({ name: 'n', type: 'S', magic: MAGIC.gnu, gnuSparse: sparseTable([[0, 3]]), gnuRealSize: value }, 'abc'),
      AFTER,
    ]),
  }));
  const offsets = oddNumbers(12).flatMap((value, index) => {
    const bytes = typeof value === 'string' ? Buffer.from(value.padEnd(12, '\0'), 'latin1') : value;
    const row = Buffer.concat([bytes, Buffer.from('00000000001\0')]);
    const fields = { name: 'n', type: 'S', magic: MAGIC.gnu, gnuRealSize: base256(2n ** 53n - 1n, 12) };
    return [{ name: `old sparse offset ${index}`, tar: joinParts([member({ ...fields, gnuSparse: row }, 'abc'), AFTER]) }];
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
      AFTER,
    ]),
  }));
  return [...made, ...sizes, ...offsets, ...extensions];
}
