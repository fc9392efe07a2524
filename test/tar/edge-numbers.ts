/** Every numeric field with every odd number, every checksum text, every type flag. */
import type { TarCase } from './cases.ts';
import { joinParts } from './feature-tars.ts';
import { base256, FIELDS, headerBlock, MAGIC, member, paxMember, type HeaderField, AFTER } from './tar-bytes.ts';

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

/** Fields of `length` bytes that a parser may read in two ways. */
export function oddNumbers(length: number): (string | Buffer)[] {
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

export function numberTars(): TarCase[] {
  const base: HeaderField[] = ['mode', 'uid', 'gid', 'size', 'mtime', 'deviceMajor', 'deviceMinor'];
  const ustar = base.flatMap((field) => withOddNumbers('ustar', field, { magic: MAGIC.ustar }));
  const gnu = (['gnuAtime', 'gnuCtime'] as const).flatMap((field) => withOddNumbers('gnu', field, { magic: MAGIC.gnu }));
  const star = (['starAtime', 'starCtime'] as const).flatMap((field) => withOddNumbers('star', field, { starTrailer: 'tar\0' }));
  const links = withOddNumbers('link', 'size', { type: '2', link: 'target' });
  const special = withOddNumbers('pax header', 'size', { type: 'x' });
  return [...ustar, ...gnu, ...star, ...links, ...special, ...checksumTars()];
}

/** The right sum written in many ways, some of which are no number. */
function checksumTars(): TarCase[] {
  const plain = headerBlock({ name: 'n' });
  const sum = parseInt(plain.toString('latin1', 148, 154), 8);
  const digits = sum.toString(8);
  const right = [
    `${digits}\0 `,
    ` ${digits} \0`,
    `${digits}  `,
    `\0${digits}`,
    digits.padStart(8, '0'),
    `  ${digits}\0x`,
    `${digits} x`,
    `${digits}\0 9`,
    `+${digits}`,
  ];
  const values = [...right, base256(BigInt(sum), 8), (sum + 1).toString(8), ...ODD_OCTALS];
  return values.map((checksum, index) => ({
    name: `checksum ${index}`,
    tar: joinParts([headerBlock({ name: 'n', checksum }), AFTER]),
  }));
}

/** The content is a header itself, so that a size read differently lists something else. */
function withOddNumbers(label: string, field: HeaderField, fields: Record<string, string>): TarCase[] {
  const content = headerBlock({ name: 'inner' });
  return oddNumbers(FIELDS[field][1]).map((value, index) => ({
    name: `${label} ${field} ${index}`,
    tar: joinParts([Buffer.concat([headerBlock({ name: 'n', size: 512, ...fields, [field]: value }), content]), AFTER]),
  }));
}

export function typeTars(): TarCase[] {
  const types = Array.from({ length: 256 }, (_, code) => code).filter((code) => code < 0x7f || code % 16 === 0);
  return types.flatMap((code) => {
    const type = Buffer.from([code]);
    return [
      { name: `type ${code}`, tar: joinParts([member({ name: 'name', type, link: 'l' }), AFTER]) },
      { name: `type ${code} slash`, tar: joinParts([member({ name: 'name/', type }, '5 a=\n'), AFTER]) },
      {
        name: `type ${code} pax size`,
        tar: joinParts([
          paxMember([
            ['size', '3'],
            ['path', 'p/'],
          ]),
          member({ name: 'n', type }, 'abc'),
          AFTER,
        ]),
      },
    ];
  });
}
