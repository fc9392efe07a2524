/** Which bytes of a blob a process was given, from what the registry recorded. */
import type { RecordedRequest } from '../servers/loopback-registry.ts';

/** Bytes [start, end) of a blob. */
export interface Stretch {
  readonly start: number;
  readonly end: number;
}

/** In order, without overlaps. @param reached where that is not all that was served */
export function takenOf(requests: readonly RecordedRequest[], reached: ReadonlyMap<RecordedRequest, number>): Stretch[] {
  const stretches = requests.map((request) => {
    const start = Number(/^bytes=(\d+)-/.exec(String(request.headers['range'] ?? ''))?.[1] ?? 0);
    return { start, end: start + (reached.get(request) ?? request.bytesServed) };
  });
  const joined: Stretch[] = [];
  for (const next of stretches.toSorted((a, b) => a.start - b.start)) {
    const last = joined.at(-1);
    if (last === undefined || next.start > last.end) joined.push(next);
    else joined.splice(-1, 1, { start: last.start, end: Math.max(last.end, next.end) });
  }
  return joined;
}

/** Bytes that are in both. */
export function overlapOf(some: readonly Stretch[], others: readonly Stretch[]): number {
  return sumOf(some.flatMap((one) => others.map((other) => Math.min(one.end, other.end) - Math.max(one.start, other.start))));
}

export function bytesOf(stretches: readonly Stretch[]): number {
  return sumOf(stretches.map(({ start, end }) => end - start));
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((sum, bytes) => sum + Math.max(0, bytes), 0);
}
