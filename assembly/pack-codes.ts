/**
 * Code lengths from counts, and codes from code lengths, for the window packer. Lengths: Huffman's algorithm on sorted
 * counts, in place (Moffat and Katajainen 1995), then codes above the limit are shortened and others lengthened until
 * the set is complete again.
 */
import { LENGTH_COUNTS, SORTED_SYMBOLS, SYMBOLS_BY_COUNT, TREE } from './layout';
import { nextCode, sortSymbols } from './huffman-table';

/** One bit for each code that may have the limit as its length. */
const LENGTHS: u32 = 32;

/** @returns the number of symbols that the set must list: one more than the last that occurs */
export function makeCodes(counts: usize, symbols: u32, limit: u32, lengths: usize, words: usize): u32 {
  memory.fill(lengths, 0, symbols);
  const used = sortByCount(counts, symbols);
  if (used > 1) {
    measureDepths(used);
    limitDepths(used, limit, lengths);
  } else if (used == 1) {
    store<u8>(lengths + (load<u32>(SYMBOLS_BY_COUNT) & 511), 1);
  }
  assignWords(lengths, symbols, words);
  let last = symbols;
  while (last > 0 && load<u8>(lengths + last - 1) == 0) last--;
  return last;
}

/** Insertion sort of `count << 9 | symbol`: at most 286 of them. */
function sortByCount(counts: usize, symbols: u32): u32 {
  let used: u32 = 0;
  for (let symbol: u32 = 0; symbol < symbols; symbol++) {
    const count = load<u32>(counts + (symbol << 2));
    if (count == 0) continue;
    const key = (count << 9) | symbol;
    let at = used++;
    while (at > 0 && load<u32>(SYMBOLS_BY_COUNT + ((at - 1) << 2)) > key) {
      store<u32>(SYMBOLS_BY_COUNT + (at << 2), load<u32>(SYMBOLS_BY_COUNT + ((at - 1) << 2)));
      at--;
    }
    store<u32>(SYMBOLS_BY_COUNT + (at << 2), key);
  }
  return used;
}

function node(index: u32): u32 {
  return load<u32>(TREE + (index << 2));
}

function setNode(index: u32, value: u32): void {
  store<u32>(TREE + (index << 2), value);
}

/** Leaves the depth of each leaf in TREE, in the order of SYMBOLS_BY_COUNT: deepest first. */
function measureDepths(leaves: u32): void {
  for (let at: u32 = 0; at < leaves; at++) setNode(at, load<u32>(SYMBOLS_BY_COUNT + (at << 2)) >> 9);
  joinNodes(leaves);
  setNode(leaves - 2, 0);
  for (let at = <i32>leaves - 3; at >= 0; at--) setNode(at, node(node(at)) + 1);
  let internal = <i32>leaves - 2;
  let leaf = <i32>leaves - 1;
  let depth: u32 = 0;
  for (let free: u32 = 1; free > 0; depth++) {
    let joined: u32 = 0;
    while (internal >= 0 && node(internal) == depth) {
      joined++;
      internal--;
    }
    for (; free > joined; free--) setNode(leaf--, depth);
    free = joined << 1;
  }
}

/** Each step joins the two lightest of the leaves and nodes left; a joined node then holds the index of its parent. */
function joinNodes(leaves: u32): void {
  let root: u32 = 0;
  let leaf: u32 = 0;
  for (let next: u32 = 0; next < leaves - 1; next++) {
    let weight: u32 = 0;
    for (let pick = 0; pick < 2; pick++) {
      if (leaf >= leaves || (root < next && node(root) < node(leaf))) {
        weight += node(root);
        setNode(root++, next);
      } else {
        weight += node(leaf++);
      }
    }
    setNode(next, weight);
  }
}

function limitDepths(leaves: u32, limit: u32, lengths: usize): void {
  memory.fill(LENGTH_COUNTS, 0, 64);
  let space: u32 = 0;
  for (let at: u32 = 0; at < leaves; at++) {
    const length = min(node(at), limit);
    store<u32>(LENGTH_COUNTS + (length << 2), load<u32>(LENGTH_COUNTS + (length << 2)) + 1);
    space += 1 << (limit - length);
  }
  while (space > (<u32>1) << limit) {
    // One code of the limit becomes the sister of a shorter one, which grows by a bit: one place less is taken.
    let length = limit - 1;
    while (load<u32>(LENGTH_COUNTS + (length << 2)) == 0) length--;
    addCodes(length, -1);
    addCodes(length + 1, 2);
    addCodes(limit, -1);
    space--;
  }
  let at: u32 = 0;
  for (let length = limit; length > 0; length--) {
    for (let left = load<u32>(LENGTH_COUNTS + (length << 2)); left > 0; left--) {
      store<u8>(lengths + (load<u32>(SYMBOLS_BY_COUNT + (at++ << 2)) & 511), <u8>length);
    }
  }
}

function addCodes(length: u32, codes: i32): void {
  store<u32>(LENGTH_COUNTS + (length << 2), load<u32>(LENGTH_COUNTS + (length << 2)) + codes);
}

function assignWords(lengths: usize, symbols: u32, words: usize): void {
  sortSymbols(lengths, symbols);
  let index = load<u32>(LENGTH_COUNTS);
  let code: u32 = 0;
  for (let length: u32 = 1; length < LENGTHS >> 1; length++) {
    for (let left = load<u32>(LENGTH_COUNTS + (length << 2)); left != 0; left--) {
      store<u16>(words + ((<usize>load<u16>(SORTED_SYMBOLS + (index << 1))) << 1), <u16>code);
      code = nextCode(code, length);
      index++;
    }
  }
}
