/** Special headers in every order, ends of archives, and headers around the 1 MiB cap. */
import type { TarCase } from './cases.ts';
import { payloadMapTar } from './edge-sparse.ts';
import { joinParts } from './feature-tars.ts';
import { END, headerBlock, longMember, MAGIC, member, paxMember, paxRecord, sparseExtension, AFTER } from './tar-bytes.ts';

/** Every order of up to three special headers in front of a member. */
export function orderTars(): TarCase[] {
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
    tar: joinParts([...order.map((letter) => specials[letter]), member({ name: 'n', link: 'o', size: 3 }, 'abc'), AFTER]),
  }));
}

export function endTars(): TarCase[] {
  const zero = Buffer.alloc(512);
  const first = member({ name: 'first' }, 'abc');
  const special = longMember('L', 'x');
  const tails: Record<string, readonly Buffer[]> = {
    'nothing at all': [],
    'no end': [first],
    'one zero': [first, zero],
    'one zero and a member': [first, zero, AFTER],
    'one zero and a cut block': [first, zero, zero.subarray(0, 100)],
    'two zeros and a member': [first, zero, zero, AFTER],
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
export function longTars(): TarCase[] {
  const cap = 1 << 20;
  const names = [cap - 1, cap, cap + 1].map((length) => ({
    name: `long name of ${length}`,
    tar: joinParts([member({ name: 'L', type: 'L', magic: MAGIC.gnu }, 'n'.repeat(length)), AFTER]),
  }));
  const record = (total: number) => paxRecord('comment', 'c'.repeat(total - '1048576 comment=\n'.length));
  const records = [cap, cap + 1].map((length) => ({
    name: `pax header of ${length}`,
    tar: joinParts([member({ name: 'x', type: 'x' }, record(length)), AFTER]),
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
      AFTER,
    ]),
  }));
  return [...names, ...records, ...maps, ...extensions];
}
