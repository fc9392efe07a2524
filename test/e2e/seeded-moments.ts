/** `count` numbers in [0, 1), one in each stretch of equal length, from a seed. */
export function seededMoments(seed: number, count: number): number[] {
  let state = seed;
  return Array.from({ length: count }, (_, at) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (at + state / 2 ** 32) / count;
  });
}
