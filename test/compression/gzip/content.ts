/** Contents that make encoders write every kind of block and code. */
import { sampleBytes } from '../tools.ts';

/** Every stretch is something else: text, runs, noise, short periods, sparse zeros. */
export function mixedBytes(length: number, seed = 1): Buffer {
  const bytes = sampleBytes(length, seed);
  let state = seed * 2654435761;
  const random = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 8;
  for (let at = 0; at < length;) {
    const end = Math.min(length, at + (random() % 60_000));
    const kind = random() % 6;
    const period = 1 + (random() % 20);
    for (let place = at; place < end; place++) {
      if (kind === 0) bytes[place] = random();
      else if (kind === 1) bytes[place] = random() % 50 === 0 ? random() : 0;
      else if (kind === 2 && place - at >= period) bytes[place] = bytes[place - period] ?? 0;
      else if (kind === 3) bytes[place] = 97 + (random() % 5);
    }
    at = end;
  }
  return bytes;
}
