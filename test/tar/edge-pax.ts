/** PAX records that are nearly right, and every key with every odd value. */
import type { TarCase } from './cases.ts';
import { joinParts } from './feature-tars.ts';
import { base256, headerBlock, member, paxMember, AFTER } from './tar-bytes.ts';

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

export function paxRecordTars(): TarCase[] {
  return RAW_PAX.flatMap((text, index) => [
    {
      name: `pax record ${index}`,
      tar: joinParts([member({ name: 'x', type: 'x' }, text), member({ name: 'n' }, 'abc'), AFTER]),
    },
    {
      name: `global pax record ${index}`,
      tar: joinParts([member({ name: 'g', type: 'g' }, text), member({ name: 'n' }, 'abc'), AFTER]),
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

export function paxValueTars(): TarCase[] {
  const numbers = ['size', 'uid', 'gid', 'mtime', 'atime', 'ctime'].flatMap((key) =>
    PAX_NUMBERS.map((value) => [key, value] as const),
  );
  const times = ['mtime', 'atime', 'ctime'].flatMap((key) => PAX_TIMES.map((value) => [key, value] as const));
  const texts = ['path', 'linkpath', 'uname', 'gname', 'hdrcharset', 'GNU.sparse.name'].flatMap((key) =>
    ['', '\xff', 'a/', '../x', 'a\nb=c'].map((value) => [key, value] as const),
  );
  return [...numbers, ...times, ...texts].flatMap(([key, value], index) => [
    { name: `pax ${key} ${index}`, tar: joinParts([paxMember([[key, value]]), member({ name: 'n' }, 'abc'), AFTER]) },
    {
      name: `pax ${key} ${index} on a link`,
      tar: joinParts([paxMember([[key, value]]), member({ name: 'n', type: '2', link: 'l' }), AFTER]),
    },
    { name: `pax ${key} ${index} over a bad field`, tar: joinParts([paxMember([[key, value]]), unsafeOwner(), AFTER]) },
  ]);
}

function unsafeOwner(): Buffer {
  return Buffer.concat([headerBlock({ name: 'n', uid: base256(2n ** 55n, 8), size: base256(3n, 12) }), Buffer.alloc(512)]);
}
