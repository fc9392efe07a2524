/** Seeded damage to the bytes of a file: the same seed gives the same damage on every machine. */

/** A generator of numbers 0 <= n < bound (mulberry32). */
export function seededNumbers(seed: number): (bound: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

/** Bytes that mean something in a gob or a varint: edges of lengths and counts. */
const TELLING_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xf7, 0xf8, 0xf9, 0xfc, 0xfe, 0xff];

/** A copy of `original` with one to eight changes: bytes replaced, flipped, put in, cut out, copied or cut off. */
export function mutate(original: Uint8Array, next: (bound: number) => number): Uint8Array {
  let bytes: Uint8Array = Uint8Array.from(original);
  for (let changes = 1 + next(8); changes > 0 && bytes.byteLength > 0; changes--) bytes = changeOnce(bytes, next);
  return bytes;
}

function changeOnce(bytes: Uint8Array, next: (bound: number) => number): Uint8Array {
  const at = next(bytes.byteLength);
  const old = bytes[at] ?? 0;
  switch (next(7)) {
    case 0:
      return splice(bytes, at, { cut: 1, put: [next(256)] });
    case 1:
      return splice(bytes, at, { cut: 1, put: [TELLING_BYTES[next(TELLING_BYTES.length)] ?? 0] });
    case 2:
      return splice(bytes, at, { cut: 1, put: [old ^ (1 << next(8))] });
    case 3:
      return splice(bytes, at, { cut: 0, put: [next(256)] });
    case 4:
      return splice(bytes, at, { cut: 1 + next(8), put: [] });
    case 5:
      return splice(bytes, at, { cut: 0, put: bytes.slice(at, at + next(64)) });
    default:
      return next(20) === 0 ? bytes.subarray(0, at) : splice(bytes, at, { cut: 1, put: [(old + 1) % 256] });
  }
}

function splice(bytes: Uint8Array, at: number, { cut, put }: { cut: number; put: ArrayLike<number> }): Uint8Array {
  const head = bytes.subarray(0, at);
  const tail = bytes.subarray(Math.min(at + cut, bytes.byteLength));
  const all = new Uint8Array(at + put.length + tail.byteLength);
  all.set(head);
  all.set(put, at);
  all.set(tail, at + put.length);
  return all;
}
