/**
 * Writes DEFLATE streams of random structure (RFC 1951): block types, code sets, symbols and distances by chance, and on
 * request one rule broken. zlib's compressor makes only a small part of what a decompressor must take or refuse.
 */
export type Random = (below: number) => number;

/** The same numbers for the same seed. */
export function randomOf(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

class BitWriter {
  readonly #bytes: number[] = [];
  #bits = 0;

  write(value: number, count: number): void {
    for (let bit = 0; bit < count; bit++) {
      if (this.#bits % 8 === 0) this.#bytes.push(0);
      this.#bytes[this.#bits >> 3]! |= ((value >> bit) & 1) << (this.#bits & 7);
      this.#bits++;
    }
  }

  align(): void {
    this.#bits = this.#bytes.length * 8;
  }

  toBytes(): Buffer {
    return Buffer.from(this.#bytes);
  }
}

interface CodeSet {
  readonly lengths: readonly number[];
  readonly codes: readonly number[];
}

const PRECODE_ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/** Canonical codes of RFC 1951 §3.2.2, first bit lowest. */
function codeSetOf(lengths: readonly number[]): CodeSet {
  const codes = lengths.map(() => 0);
  let code = 0;
  for (let length = 1; length <= 15; length++) {
    for (const [symbol, its] of lengths.entries()) if (its === length) codes[symbol] = reverse(code++, length);
    code <<= 1;
  }
  return { lengths, codes };
}

function reverse(code: number, length: number): number {
  let reversed = 0;
  for (let bit = 0; bit < length; bit++) reversed |= ((code >> bit) & 1) << (length - 1 - bit);
  return reversed;
}

/** A complete set over symbols of which the listed ones have a code: a tree grown by splitting leaves. */
function randomLengths(random: Random, options: { symbols: number; used: number; limit: number; must?: number }): number[] {
  const { symbols, used, limit, must } = options;
  const leaves = [0];
  const deep = random(2) === 0;
  for (let tries = 0; leaves.length < used && tries < 10_000; tries++) {
    const at = deep && leaves.length > 1 && random(3) > 0 ? leaves.length - 1 : random(leaves.length);
    const depth = leaves[at]!;
    if (depth < limit) leaves.splice(at, 1, depth + 1, depth + 1);
  }
  const lengths = new Array<number>(symbols).fill(0);
  if (leaves.length === 1) leaves[0] = 1;
  const free = Array.from({ length: symbols }, (_, symbol) => symbol);
  if (must !== undefined) lengths[must] = leaves.shift()!;
  for (const leaf of leaves) {
    const symbol = free.splice(random(free.length), 1)[0]!;
    if (lengths[symbol] === 0) lengths[symbol] = leaf;
    else lengths[free.splice(random(free.length), 1)[0]!] = leaf;
  }
  return lengths;
}

type Fault = 'none' | 'incomplete' | 'over-subscribed' | 'single' | 'no end' | 'counts' | 'precode' | 'far' | 'stored' | 'type';
const FAULTS: readonly Fault[] = [
  'incomplete',
  'over-subscribed',
  'single',
  'no end',
  'counts',
  'precode',
  'far',
  'stored',
  'type',
];

/** @param isBroken one block may break a rule of the format */
export function buildDeflate(random: Random, isBroken: boolean): Buffer {
  const out = new BitWriter();
  const blocks = 1 + random(6);
  const brokenAt = isBroken ? random(blocks) : -1;
  let produced = 0;
  for (let block = 0; block < blocks; block++) {
    const fault = block === brokenAt ? FAULTS[random(FAULTS.length)]! : 'none';
    out.write(block === blocks - 1 ? 1 : 0, 1);
    const type = fault === 'type' ? 3 : fault === 'stored' ? 0 : fault === 'none' || fault === 'far' ? random(4) : 2;
    out.write(fault === 'type' ? 3 : Math.min(type, 2), 2);
    if (fault === 'type') break;
    if (type === 0) produced += writeStored(out, random, fault);
    else
      produced += writeSymbols(out, random, { sets: type === 1 ? fixedSets() : writeSets(out, random, fault), produced, fault });
  }
  return out.toBytes();
}

function writeStored(out: BitWriter, random: Random, fault: Fault): number {
  const length = random(5) === 0 ? 0 : random(random(4) === 0 ? 5000 : 100);
  out.align();
  out.write(length, 16);
  out.write((length ^ 0xffff ^ (fault === 'stored' ? 1 << random(16) : 0)) & 0xffff, 16);
  for (let at = 0; at < length; at++) out.write(random(256), 8);
  return length;
}

interface Sets {
  readonly litlen: CodeSet;
  readonly distance: CodeSet;
}

function fixedSets(): Sets {
  const litlen = Array.from({ length: 288 }, (_, at) => (at < 144 ? 8 : at < 256 ? 9 : at < 280 ? 7 : 8));
  return { litlen: codeSetOf(litlen), distance: codeSetOf(new Array<number>(32).fill(5)) };
}

function writeSets(out: BitWriter, random: Random, fault: Fault): Sets {
  const litlenCount = fault === 'counts' && random(2) === 0 ? 287 + random(2) : 257 + random(30);
  const distanceCount = fault === 'counts' && litlenCount < 287 ? 31 + random(2) : 1 + random(30);
  const used = random(4) === 0 ? 1 + random(4) : 2 + random(litlenCount - 3);
  const litlen = randomLengths(random, { symbols: litlenCount, used: Math.max(1, used), limit: 15, must: 256 });
  const distanceUsed = random(8) === 0 ? 0 : 1 + random(distanceCount);
  const distance =
    distanceUsed === 0
      ? new Array<number>(distanceCount).fill(0)
      : randomLengths(random, { symbols: distanceCount, used: distanceUsed, limit: 15 });
  breakSet(random, random(2) === 0 ? litlen : distance, fault);
  if (fault === 'no end') litlen[256] = 0;
  writeHeader(out, random, { litlen, distance, fault });
  return { litlen: codeSetOf(litlen), distance: codeSetOf(distance) };
}

function breakSet(random: Random, lengths: number[], fault: Fault): void {
  const used = lengths.flatMap((length, symbol) => (length > 0 ? [symbol] : []));
  const victim = used[random(Math.max(1, used.length))];
  if (victim === undefined) return;
  if (fault === 'incomplete') lengths[victim] = random(2) === 0 ? 0 : Math.min(15, lengths[victim]! + 1);
  if (fault === 'over-subscribed') lengths[victim] = Math.max(1, lengths[victim]! - 1);
  if (fault === 'single')
    for (const symbol of used) lengths[symbol] = symbol === (lengths.length > 256 ? 256 : victim) ? 1 + random(2) : 0;
}

function writeHeader(out: BitWriter, random: Random, sets: { litlen: number[]; distance: number[]; fault: Fault }): void {
  const { litlen, distance, fault } = sets;
  const runs = runsOf(random, [...litlen, ...distance]);
  if (fault === 'precode' && random(2) === 0) runs.splice(random(2) === 0 ? 0 : runs.length, 0, [16 + random(3), random(4)]);
  const usedSymbols = new Set(runs.map(([symbol]) => symbol));
  while (usedSymbols.size < 2) usedSymbols.add(random(19));
  const compact = randomLengths(random, { symbols: usedSymbols.size, used: usedSymbols.size, limit: 7 });
  const lengths = new Array<number>(19).fill(0);
  for (const [at, symbol] of [...usedSymbols].entries()) lengths[symbol] = compact[at]!;
  if (fault === 'precode' && random(2) === 0) lengths[random(19)] = random(8);
  const set = codeSetOf(lengths);
  let listed = 19;
  while (listed > 4 && lengths[PRECODE_ORDER[listed - 1]!] === 0) listed--;
  out.write((litlen.length - 257) & 31, 5);
  out.write((distance.length - 1) & 31, 5);
  out.write(listed - 4, 4);
  for (const symbol of PRECODE_ORDER.slice(0, listed)) out.write(lengths[symbol]!, 3);
  for (const [symbol, extra] of runs) {
    out.write(set.codes[symbol]!, lengths[symbol]!);
    if (symbol > 15) out.write(extra, symbol === 16 ? 2 : symbol === 17 ? 3 : 7);
  }
}

/** Code lengths as code length symbols: repeats are used or not, and cross from one set into the other. */
function runsOf(random: Random, lengths: readonly number[]): [symbol: number, extra: number][] {
  const runs: [number, number][] = [];
  for (let at = 0; at < lengths.length;) {
    const length = lengths[at]!;
    let same = 1;
    while (lengths[at + same] === length) same++;
    if (length === 0 && same >= 11 && random(10) > 0) {
      const repeats = Math.min(same, 138);
      runs.push([18, repeats - 11]);
      at += repeats;
    } else if (length === 0 && same >= 3 && random(10) > 0) {
      const repeats = Math.min(same, 10);
      runs.push([17, repeats - 3]);
      at += repeats;
    } else if (at > 0 && lengths[at - 1] === length && same >= 3 && random(10) > 0) {
      const repeats = Math.min(same, 6);
      runs.push([16, repeats - 3]);
      at += repeats;
    } else {
      runs.push([length, 0]);
      at++;
    }
  }
  return runs;
}

function writeSymbols(out: BitWriter, random: Random, block: { sets: Sets; produced: number; fault: Fault }): number {
  const { litlen, distance } = block.sets;
  const symbols = litlen.lengths.flatMap((length, symbol) => (length > 0 && symbol !== 256 ? [symbol] : []));
  const distances = distance.lengths.flatMap((length, symbol) => (length > 0 ? [symbol] : []));
  const count = symbols.length === 0 ? 0 : random(random(4) === 0 ? 3000 : 150);
  let produced = block.produced;
  for (let at = 0; at < count; at++) {
    const symbol = symbols[random(symbols.length)]!;
    const isFar = block.fault === 'far' && random(20) === 0;
    const reachable = distances.filter(
      (each) => isFar || (each < 30 && distanceBase(each) + (1 << distanceExtra(each)) - 1 <= produced),
    );
    if (symbol > 256 && reachable.length === 0) continue;
    out.write(litlen.codes[symbol]!, litlen.lengths[symbol]!);
    if (symbol < 256) {
      produced++;
      continue;
    }
    const extra = lengthExtra(symbol);
    const value = random(1 << extra);
    out.write(value, extra);
    const edge = random(4) === 0 ? distanceAt(distances, produced + (isFar ? 1 : 0)) : undefined;
    const far = edge ?? reachable[random(reachable.length)]!;
    out.write(distance.codes[far]!, distance.lengths[far]!);
    const farValue = edge === undefined ? random(1 << distanceExtra(far)) : produced + (isFar ? 1 : 0) - distanceBase(far);
    out.write(farValue, distanceExtra(far));
    produced += lengthBase(symbol) + value;
  }
  out.write(litlen.codes[256] ?? 0, litlen.lengths[256] ?? 0);
  return produced - block.produced;
}

/** The symbol, of those that have a code, that says exactly this distance. */
function distanceAt(symbols: readonly number[], distance: number): number | undefined {
  return symbols.find(
    (each) => each < 30 && distance >= distanceBase(each) && distance < distanceBase(each) + (1 << distanceExtra(each)),
  );
}

function lengthExtra(symbol: number): number {
  return symbol < 265 || symbol >= 285 ? 0 : ((symbol - 257) >> 2) - 1;
}

function lengthBase(symbol: number): number {
  if (symbol === 285) return 258;
  const index = symbol - 257;
  return index < 8 ? index + 3 : ((4 + (index & 3)) << lengthExtra(symbol)) + 3;
}

function distanceExtra(symbol: number): number {
  return symbol < 4 || symbol > 29 ? 0 : (symbol >> 1) - 1;
}

function distanceBase(symbol: number): number {
  return symbol < 4 ? symbol + 1 : ((2 + (symbol & 1)) << distanceExtra(symbol)) + 1;
}
