/** Seeded damage to valid tars: the same seed gives the same bytes on every machine. */
import { BLOCK_BYTES } from '../../src/lib/tar/block.ts';
import type { TarCase } from './cases.ts';
import { joinParts, type TarParts } from './feature-tars.ts';
import { base256, FIELDS, fixChecksum, longMember, paxMember, setField, type FieldValue, type HeaderField } from './tar-bytes.ts';

/** A pseudo-random integer in [0, limit). */
export type Dice = (limit: number) => number;

/** mulberry32: small, well mixed, the same everywhere. */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** `count` damaged forms of one tar. */
export function mutate(source: TarParts, count: number, seed: number): TarCase[] {
  return Array.from({ length: count }, (_, index) => {
    const dice = createDice(seed * 1000 + index);
    const mutation = MUTATIONS[dice(MUTATIONS.length)] ?? flipByte;
    return { name: `${source.name} ~${index} ${mutation.name}`, tar: mutation(source.parts, dice) };
  });
}

type Mutation = (parts: readonly Buffer[], dice: Dice) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  changeField,
  changeField,
  changeField,
  changeFieldOnly,
  flipByte,
  flipByteInContent,
  cutAnywhere,
  cutAtBlock,
  doublePart,
  swapParts,
  dropPart,
  insertZeroBlock,
  insertSpecial,
  appendGarbage,
  signChecksum,
];

const VALUES: readonly FieldValue[] = [
  0,
  1,
  3,
  511,
  512,
  513,
  0o7777777,
  '',
  ' ',
  'x',
  '-1',
  '\xff\xff',
  '77777777777\0',
  '  12 \0',
  '1\x002',
  '/',
  'a/',
  '5',
  '0',
  'S',
  'L',
  'K',
  'x',
  'g',
  'ustar\x0000',
  'ustar  \0',
  'tar\0',
  '\0',
  base256(1n, 8),
  base256(512n, 12),
  base256(2n ** 54n, 12),
  base256(-1n, 12),
  base256(2n ** 62n, 12),
  Buffer.alloc(100, 0xc3),
  Buffer.alloc(155, 0x61),
];

function changeField(parts: readonly Buffer[], dice: Dice): Buffer {
  return withChangedField(parts, dice, true);
}

function changeFieldOnly(parts: readonly Buffer[], dice: Dice): Buffer {
  return withChangedField(parts, dice, false);
}

function withChangedField(parts: readonly Buffer[], dice: Dice, fixed: boolean): Buffer {
  const fields = Object.keys(FIELDS) as HeaderField[];
  return onOnePart(parts, dice, (part) => {
    setField(part, fields[dice(fields.length)] ?? 'name', VALUES[dice(VALUES.length)] ?? 0);
    if (fixed) fixChecksum(part);
  });
}

function signChecksum(parts: readonly Buffer[], dice: Dice): Buffer {
  return onOnePart(parts, dice, (part) => {
    part[dice(100)] = 0x80 + dice(128);
    fixChecksum(part, true);
  });
}

/** Copies one part that starts with a block and lets `change` write in it. */
function onOnePart(parts: readonly Buffer[], dice: Dice, change: (part: Buffer) => void): Buffer {
  const copies = parts.map((part) => Buffer.from(part));
  const chosen = copies[dice(Math.max(1, copies.length))];
  if (chosen !== undefined && chosen.length >= BLOCK_BYTES) change(chosen);
  return joinParts(copies);
}

function flipByte(parts: readonly Buffer[], dice: Dice): Buffer {
  const tar = joinParts(parts);
  tar[dice(tar.length)] = dice(256);
  return tar;
}

/** In the content of a special header when there is one: the header stays right. */
function flipByteInContent(parts: readonly Buffer[], dice: Dice): Buffer {
  const special = parts.findIndex((part) => 'xgLKS'.includes(String.fromCharCode(part[156] ?? 0)));
  const copies = parts.map((part) => Buffer.from(part));
  const part = copies[special === -1 ? 0 : special];
  if (part !== undefined && part.length > BLOCK_BYTES)
    part[BLOCK_BYTES + dice(Math.min(100, part.length - BLOCK_BYTES))] = CONTENT_BYTES[dice(CONTENT_BYTES.length)] ?? 0;
  return joinParts(copies);
}

const CONTENT_BYTES = [...Buffer.from('0123456789=\n\0 ,.-+/xp\xff', 'latin1')];

function cutAnywhere(parts: readonly Buffer[], dice: Dice): Buffer {
  const tar = joinParts(parts);
  return tar.subarray(0, dice(tar.length));
}

function cutAtBlock(parts: readonly Buffer[], dice: Dice): Buffer {
  const tar = joinParts(parts);
  return tar.subarray(0, BLOCK_BYTES * dice(tar.length / BLOCK_BYTES));
}

function doublePart(parts: readonly Buffer[], dice: Dice): Buffer {
  const index = dice(Math.max(1, parts.length));
  return joinParts([...parts.slice(0, index + 1), ...parts.slice(index)]);
}

function swapParts(parts: readonly Buffer[], dice: Dice): Buffer {
  const copies = [...parts];
  const [moved] = copies.splice(dice(Math.max(1, copies.length)), 1);
  if (moved !== undefined) copies.splice(dice(copies.length + 1), 0, moved);
  return joinParts(copies);
}

function dropPart(parts: readonly Buffer[], dice: Dice): Buffer {
  const dropped = dice(Math.max(1, parts.length));
  return joinParts(parts.filter((_, index) => index !== dropped));
}

function insertZeroBlock(parts: readonly Buffer[], dice: Dice): Buffer {
  const tar = joinParts(parts);
  const at = BLOCK_BYTES * dice(tar.length / BLOCK_BYTES);
  return Buffer.concat([tar.subarray(0, at), Buffer.alloc(BLOCK_BYTES), tar.subarray(at)]);
}

function insertSpecial(parts: readonly Buffer[], dice: Dice): Buffer {
  const sizes = ['0', '3', '512', '700', '1024', '-1', '1e3', '9007199254740993'];
  const specials = [
    paxMember([['size', sizes[dice(sizes.length)] ?? '0']]),
    paxMember([
      ['path', 'inserted/'],
      ['mtime', '1.5'],
    ]),
    paxMember([['size', '512']], 'g'),
    longMember('L', 'inserted-name'),
    longMember('K', 'inserted-link'),
  ];
  const special = specials[dice(specials.length)] ?? Buffer.alloc(0);
  const index = dice(parts.length + 1);
  return joinParts([...parts.slice(0, index), special, ...parts.slice(index)]);
}

function appendGarbage(parts: readonly Buffer[], dice: Dice): Buffer {
  const withoutEnd = dice(2) === 0;
  const garbage = Buffer.from(Array.from({ length: dice(1500) }, () => dice(256)));
  return Buffer.concat([withoutEnd ? Buffer.concat(parts) : joinParts(parts), garbage]);
}
