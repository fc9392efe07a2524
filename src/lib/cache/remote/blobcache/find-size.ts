/**
 * How long a content is, of a server that does not tell: by reading single bytes, sixteen at once, until it is known where
 * they end. 1 GiB takes six rounds, a guess that turns out right one.
 */
import { ClipctlError } from '../../../errors.ts';
import { SMALL_BYTES } from '../../buffer-budget.ts';

/** Bytes that the server has at an offset, up to `length`; 0 where it has none. */
export type ReadAt = (offset: number, length: number) => Promise<number>;

const PROBES = 16;
/** 0, then 1 KiB, 4 KiB, … 1 TiB. */
const FIRST_OFFSETS: readonly number[] = [0, ...Array.from({ length: PROBES }, (_, at) => 4 ** (at + 5))];

interface Bracket {
  /** A byte that is there. */
  readonly there: number;
  /** A later one that is not. */
  readonly absent: number;
}

/**
 * `undefined`: the first byte is missing, or one before another that is there. At most 114 reads, 168 where
 * reads across the end find nothing.
 * @throws ClipctlError REMOTE_FAILED when there is no end; what `read` throws
 */
export async function findSize(read: ReadAt): Promise<number | undefined> {
  let bracket = await narrow(read, { there: -1, absent: Infinity }, FIRST_OFFSETS);
  let mayReadShort = true;
  while (bracket !== undefined && bracket.absent - bracket.there > 1) {
    const { there, absent } = bracket;
    if (absent === Infinity) throw new ClipctlError('REMOTE_FAILED', 'the server claims content of more than 1 TiB');
    const width = absent - there;
    if (mayReadShort && width <= SMALL_BYTES) {
      const found = await read(there, width);
      if (found > 0) return there + found;
      // A server may have nothing for a read across the end.
      mayReadShort = false;
    } else {
      bracket = await narrow(read, bracket, between(there, absent));
    }
  }
  return bracket === undefined || bracket.there < 0 ? undefined : bracket.absent;
}

/** Whether content of this size is there, as far as its ends and fourteen bytes in between tell. */
export async function hasSize(read: ReadAt, sizeBytes: number): Promise<boolean> {
  if (sizeBytes === 0) return (await read(0, 1)) === 0;
  const last = sizeBytes - 1;
  const offsets = Array.from({ length: PROBES }, (_, at) => Math.floor((last * at) / (PROBES - 1)));
  const found = await Promise.all([...new Set(offsets), sizeBytes].map((offset) => read(offset, 1)));
  return found.every((bytes, at) => bytes > 0 === at < found.length - 1);
}

async function narrow(read: ReadAt, { there, absent }: Bracket, offsets: readonly number[]): Promise<Bracket | undefined> {
  const found = await Promise.all(offsets.map((offset) => read(offset, 1)));
  const firstAbsent = found.findIndex((bytes) => bytes === 0);
  const lastThere = found.findLastIndex((bytes) => bytes > 0);
  if (firstAbsent >= 0 && firstAbsent < lastThere) return undefined;
  return { there: offsets[lastThere] ?? there, absent: offsets[lastThere + 1] ?? absent };
}

function between(there: number, absent: number): number[] {
  const step = Math.max(1, (absent - there) / (PROBES + 1));
  const offsets = Array.from({ length: PROBES }, (_, at) => Math.floor(there + step * (at + 1)));
  return [...new Set(offsets)].filter((offset) => offset < absent);
}
