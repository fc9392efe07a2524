/** What a transfer that was stopped has left, as far as another one can go on with it. */
import { join } from 'node:path';
import { lookAtFile, readSmallFile } from '../../regular-file.ts';
import {
  parseJournal,
  type DoneSpan,
  type Journal,
  type JournalCheckpoint,
  type ResumePlace,
  type TransferKey,
} from './journal.ts';
import { TRANSFER_FILES } from './transfers.ts';

/** `points`: the decompressed bytes are there. `spool`: the compressed ones are. `spans`: some of either, here and there. */
export type ResumeState =
  | {
      readonly kind: 'points';
      readonly point: ResumePlace;
      /** The checkpoints up to the point. */
      readonly earlier: readonly JournalCheckpoint[];
      /** Compressed bytes that need not be fetched again. */
      readonly keptBytes: number;
    }
  | { readonly kind: 'spool'; readonly keptBytes: number }
  | {
      readonly kind: 'spans';
      readonly done: readonly DoneSpan[];
      /** Of the parts that are whole; what the file of pieces has comes on top. */
      readonly keptBytes: number;
    };

/** Windows of checkpoints are the most of it: some 10 KiB for 4 MiB of layer. */
const MAX_JOURNAL_BYTES = 32 * 1024 * 1024;

/** `undefined` = nothing that helps. @throws ClipctlError STORAGE_* */
export async function findResume(transferPath: string, wanted: TransferKey): Promise<ResumeState | undefined> {
  const file = await readSmallFile(join(transferPath, TRANSFER_FILES.journal), MAX_JOURNAL_BYTES);
  const journal = file === undefined ? undefined : parseJournal(file.text);
  if (journal === undefined || !isSame(journal.key, wanted)) return undefined;
  if (wanted.isInSpans === true) return findSpans(transferPath, journal);
  const spooledBytes = await usableBytes(join(transferPath, TRANSFER_FILES.spool), journal);
  if (spooledBytes > 0) return spooledBytes > wanted.sizeBytes ? undefined : { kind: 'spool', keptBytes: spooledBytes };
  return lastPoint(journal, await usableBytes(join(transferPath, TRANSFER_FILES.layer), journal));
}

async function findSpans(transferPath: string, { spans }: Journal): Promise<ResumeState | undefined> {
  const layer = await lookAtFile(join(transferPath, TRANSFER_FILES.layer));
  if (layer === undefined || layer === 'other') return undefined;
  const done = spans.filter(({ uncompressedEnd }) => uncompressedEnd <= layer.sizeBytes);
  const pieces = await lookAtFile(join(transferPath, TRANSFER_FILES.ahead));
  if (done.length === 0 && pieces === undefined) return undefined;
  return { kind: 'spans', done, keptBytes: done.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0) };
}

function lastPoint({ points, checkpoints, key }: Journal, usable: number): ResumeState | undefined {
  const point = points.findLast(({ uncompressedOffset }) => uncompressedOffset <= usable);
  if (point === undefined || firstByteOf(point) === 0) return undefined;
  if (point.compressedOffset > key.sizeBytes) return undefined;
  // A checkpoint stands in the journal before the points behind it.
  const earlier = checkpoints.filter(({ uncompressedOffset }) => uncompressedOffset <= point.uncompressedOffset);
  return { kind: 'points', point, earlier, keptBytes: firstByteOf(point) };
}

/** After a power loss only what was flushed is sure to be what was written. */
async function usableBytes(path: string, { isOfThisBoot, syncedBytes }: Journal): Promise<number> {
  const found = await lookAtFile(path);
  if (found === undefined || found === 'other') return 0;
  return isOfThisBoot ? found.sizeBytes : Math.min(found.sizeBytes, syncedBytes);
}

function isSame(one: TransferKey, other: TransferKey): boolean {
  return (
    one.digest === other.digest &&
    one.sizeBytes === other.sizeBytes &&
    one.diffId === other.diffId &&
    one.isInSpans === (other.isInSpans ?? false) &&
    // Who wants no checkpoints can go on with a transfer that lists them.
    (one.checkpointIntervalBytes === other.checkpointIntervalBytes || other.checkpointIntervalBytes === 0)
  );
}

/** A place inside of a byte needs that byte again. */
function firstByteOf({ compressedOffset, bit }: ResumePlace): number {
  return bit === 0 ? compressedOffset : compressedOffset - 1;
}
