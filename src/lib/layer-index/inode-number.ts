import type { ByteString } from '../byte-string.ts';

/** A 64-bit FNV-1a state in two 32-bit halves: BigInt arithmetic for every byte would take most of a merge's time. */
interface Fnv {
  readonly high: number;
  readonly low: number;
}

const OFFSET_BASIS: Fnv = { high: 0xcbf29ce4, low: 0x84222325 };
/** The FNV prime is 2^40 + 0x1b3. */
const PRIME_LOW = 0x1b3;
const TWO_TO_32 = 0x1_0000_0000;

/** In 32-bit integers where that is possible: `%` of numbers above takes ten times as long. */
function hashBytes(state: Fnv, bytes: string): Fnv {
  let { high, low } = state;
  for (let index = 0; index < bytes.length; index += 1) {
    low = (low ^ bytes.charCodeAt(index)) >>> 0;
    const lower = Math.imul(low, PRIME_LOW) >>> 0;
    const carry = (low * PRIME_LOW - lower) / TWO_TO_32;
    // 2^40 times the state reaches only the upper half: the lower half, 8 bits up.
    high = (Math.imul(high, PRIME_LOW) + carry + (low << 8)) >>> 0;
    low = lower;
  }
  return { high, low };
}

/**
 * Inode numbers of one layer: FNV-1a-64 of the layer digest followed by the path, as Go CLIP computes them
 * (FORMATS §1 "Values").
 */
export function inodeNumbersOf(layerDigest: string): (path: ByteString) => bigint {
  const prefix = hashBytes(OFFSET_BASIS, layerDigest);
  const joined = new DataView(new ArrayBuffer(8));
  return (path) => {
    const { high, low } = hashBytes(prefix, path);
    joined.setUint32(0, high);
    joined.setUint32(4, low);
    return joined.getBigUint64(0);
  };
}
