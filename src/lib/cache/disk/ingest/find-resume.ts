/** What a transfer that was stopped has left, as far as another one can go on with it. */
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import { readOpened, type OpenedFile } from '../../../regular-file.ts';
import {
  parseJournal,
  type DoneSpan,
  type Journal,
  type JournalCheckpoint,
  type ResumePlace,
  type TransferKey,
} from './journal.ts';
import type { LockKind } from '../lock/lock-holder.ts';
import type { StoppedTransfer } from './stopped-transfer.ts';
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

export interface FoundResume {
  readonly resume: ResumeState;
  /** As it was read: what `resume` is made of. */
  readonly journalText: string;
  /** Of whoever wrote it. */
  readonly lockKind: LockKind;
}

/** `undefined` = nothing that helps. @throws ClipctlError STORAGE_* */
export async function findResume({ path, files }: StoppedTransfer, wanted: TransferKey): Promise<FoundResume | undefined> {
  if (files.journal === undefined || files.journal.sizeBytes > MAX_JOURNAL_BYTES) return undefined;
  const journalText = await readJournal(files.journal, join(path, TRANSFER_FILES.journal));
  const journal = parseJournal(journalText);
  if (journal === undefined || !isSame(journal.key, wanted)) return undefined;
  const resume = wanted.isInSpans === true ? spansIn(files, journal) : placeIn(files, journal);
  return resume && { resume, journalText, lockKind: journal.lockKind };
}

async function readJournal(file: OpenedFile, path: string): Promise<string> {
  try {
    return (await readOpened(file)).toString();
  } catch (error) {
    throw storageError(error, path, 'read');
  }
}

function placeIn({ spool, layer }: StoppedTransfer['files'], journal: Journal): ResumeState | undefined {
  const spooledBytes = usableBytes(spool, journal);
  if (spooledBytes === 0) return lastPoint(journal, usableBytes(layer, journal));
  return spooledBytes > journal.key.sizeBytes ? undefined : { kind: 'spool', keptBytes: spooledBytes };
}

function spansIn({ layer, ahead }: StoppedTransfer['files'], { spans }: Journal): ResumeState | undefined {
  const done = spans.filter(({ uncompressedEnd }) => uncompressedEnd <= (layer?.sizeBytes ?? 0));
  if (done.length === 0 && ahead === undefined) return undefined;
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
function usableBytes(file: OpenedFile | undefined, { isOfThisBoot, syncedBytes }: Journal): number {
  const sizeBytes = file?.sizeBytes ?? 0;
  return isOfThisBoot ? sizeBytes : Math.min(sizeBytes, syncedBytes);
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
