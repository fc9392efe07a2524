/** Code sets at the edge of what zlib takes (inflate_table): one code of 1 bit is enough, no distance code is too, nothing else. */
import { inflateRawSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { kernelVerdict } from './kernel-fuzz.ts';

/** Lengths of codes by symbol, of those that have one; 1 or 2. */
type Lengths = Readonly<Record<number, 1 | 2>>;

interface Block {
  readonly litlen: Lengths;
  readonly distance?: Lengths;
  readonly litlenCodes?: number;
  readonly distanceCodes?: number;
  /** What follows the header, in the order of the stream. */
  readonly body: string;
}

const A = 65;
const END = 256;
/** A match of 3. */
const THREE = 257;

/** A number, its lowest bit first, as RFC 1951 §3.1.1 has all but codes. */
function bitsOf(value: number, count: number): string {
  return Array.from({ length: count }, (_, bit) => String((value >> bit) & 1)).join('');
}

/** The codes of the code length code: 0, 1, 2 and 18 have two bits each (RFC 1951 §3.2.7). */
const LENGTH_CODES = { 0: '00', 1: '01', 2: '10' } as const;
const PRECODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

function lengthBits(lengths: Lengths, codes: number): string {
  return Array.from({ length: codes }, (_, symbol) => LENGTH_CODES[lengths[symbol] ?? 0]).join('');
}

function streamOf({ litlen, distance = {}, litlenCodes = 258, distanceCodes = 1, body }: Block): Buffer {
  const precode = PRECODE_ORDER.map((symbol) => bitsOf([0, 1, 2, 18].includes(symbol) ? 2 : 0, 3)).join('');
  const counts = bitsOf(litlenCodes - 257, 5) + bitsOf(distanceCodes - 1, 5) + bitsOf(15, 4);
  const bits = `1${bitsOf(2, 2)}${counts}${precode}${lengthBits(litlen, litlenCodes)}${lengthBits(distance, distanceCodes)}${body}`;
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8) + 8);
  for (let at = 0; at < bits.length; at++) bytes[at >> 3]! |= Number(bits[at]) << (at & 7);
  return bytes;
}

function zlibVerdict(stream: Buffer): string {
  try {
    return inflateRawSync(stream).toString();
  } catch (error) {
    return (error as { code: string }).code;
  }
}

/** Canonical codes: `THREE` 0, `A` 10, `END` 11. */
const LITLEN: Lengths = { [THREE]: 1, [A]: 2, [END]: 2 };

test.each<[string, Block, string]>([
  ['the end alone, with 1 bit', { litlen: { [END]: 1 }, body: '0' }, ''],
  ['the end alone, with 1 bit, and the code that is none', { litlen: { [END]: 1 }, body: '1' }, 'Z_DATA_ERROR'],
  ['the end alone, with 2 bits', { litlen: { [END]: 2 }, body: '00' }, 'Z_DATA_ERROR'],
  ['a literal and the end', { litlen: { [A]: 1, [END]: 1 }, body: '0001' }, 'AAA'],
  ['three codes of 1 bit', { litlen: { [A]: 1, [END]: 1, [THREE]: 1 }, body: '1' }, 'Z_DATA_ERROR'],
  ['no end', { litlen: { [A]: 1, [THREE]: 1 }, body: '0' }, 'Z_DATA_ERROR'],
  ['one distance with 1 bit', { litlen: LITLEN, distance: { 0: 1 }, body: '100011' }, 'AAAA'],
  ['one distance with 1 bit, and the code that is none', { litlen: LITLEN, distance: { 0: 1 }, body: '100111' }, 'Z_DATA_ERROR'],
  ['one distance with 2 bits', { litlen: LITLEN, distance: { 0: 2 }, body: '11' }, 'Z_DATA_ERROR'],
  ['no distance, and none in use', { litlen: LITLEN, body: '101011' }, 'AA'],
  ['no distance, but one in use', { litlen: LITLEN, body: '100011' }, 'Z_DATA_ERROR'],
  ['286 and 30 codes', { litlen: LITLEN, litlenCodes: 286, distanceCodes: 30, body: '11' }, ''],
  ['287 codes', { litlen: LITLEN, litlenCodes: 287, body: '11' }, 'Z_DATA_ERROR'],
  ['31 distances', { litlen: LITLEN, distanceCodes: 31, body: '11' }, 'Z_DATA_ERROR'],
])('%s: the kernel says what zlib says', (_name, block, expected) => {
  const stream = streamOf(block);
  expect(zlibVerdict(stream)).toBe(expected);
  const { end, output } = kernelVerdict(stream, () => 0);
  expect(end === 'end' ? output.toString() : 'Z_DATA_ERROR').toBe(expected);
  expect(end).not.toBe('cut');
});
