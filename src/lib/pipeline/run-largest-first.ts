import { runLimited } from './run-limited.ts';

export interface LargestFirst<T, R> {
  /** How many at once. */
  readonly limit: number;
  readonly sizeOf: (item: T) => number;
  /** @param isLast no other item is still to start */
  readonly work: (item: T, isLast: boolean) => Promise<R>;
}

/**
 * As `runLimited`, the largest items first: a large one that starts last would keep one core busy and the others idle.
 * Results are in the order of the items.
 */
export async function runLargestFirst<T, R>(
  items: readonly T[],
  { limit, sizeOf, work }: LargestFirst<T, R>,
): Promise<PromiseSettledResult<R>[]> {
  const order = items.map((item, index) => ({ item, index })).sort((left, right) => sizeOf(right.item) - sizeOf(left.item));
  const results: PromiseSettledResult<R>[] = [];
  const settled = await runLimited(order, limit, ({ item }, at) => work(item, at === order.length - 1));
  for (const [at, { index }] of order.entries()) results[index] = settled[at] as PromiseSettledResult<R>;
  return results;
}
