/**
 * What of a layer in spans outlives its process: a run that is decompressed stands in the journal, the compressed bytes of
 * one under way in the file of pieces beside it. Without a journal it keeps nothing.
 */
import { openAheadFile, SHELF_BYTES, type AheadShelf, type AheadStore, type KeptRange } from '../cache/disk/ingest/ahead-file.ts';
import type { DoneSpan } from '../cache/disk/ingest/journal.ts';
import type { IngestFile } from '../cache/disk/ingest-file.ts';
import { SpanJournal } from './span-journal.ts';
import type { SpanRun } from './span-plan.ts';

/** What a kill may cost of all runs under way together; in each, one step is on its way to the file and one fills. */
const MOST_LOST_BYTES = 1024 * 1024;
const MOST_STEP_BYTES = 256 * 1024;
const LEAST_STEP_BYTES = 16 * 1024;

/** What the layer is written into. */
export type SpanTarget = Pick<IngestFile, 'path' | 'owner' | 'inode' | 'durability' | 'journal' | 'growth'>;

export interface SpanTransferOptions {
  /** Runs at once. */
  readonly parallel: number;
}

/** A run with what is there of it. */
export interface BegunRun {
  /** Compressed bytes from its start that need not be fetched. */
  readonly keptBytes: number;
  /** All its compressed bytes: the kept ones, then those that `fetch` gives from an offset of the layer on. */
  bytes(fetch: (start: number) => Promise<AsyncIterable<Uint8Array>>): AsyncGenerator<Uint8Array, void, undefined>;
  /** It stands in the layer file. @throws ClipctlError STORAGE_*; awaited or not, `close` throws it too */
  done(): Promise<void>;
}

export class SpanTransfer {
  readonly #ahead: AheadStore | undefined;
  readonly #journal: SpanJournal | undefined;
  readonly #done: readonly DoneSpan[];
  #kept: KeptRange[];

  private constructor(ahead: AheadStore | undefined, journal: SpanJournal | undefined, done: readonly DoneSpan[]) {
    this.#ahead = ahead;
    this.#journal = journal;
    this.#done = done;
    this.#kept = [];
  }

  /** @throws ClipctlError STORAGE_* */
  static async open(
    { durability, journal, growth, ...layer }: SpanTarget,
    { parallel }: SpanTransferOptions,
  ): Promise<SpanTransfer> {
    if (journal === undefined) return new SpanTransfer(undefined, undefined, []);
    const { owner } = journal;
    const stepBytes = Math.min(MOST_STEP_BYTES, Math.max(LEAST_STEP_BYTES, MOST_LOST_BYTES / (2 * parallel)));
    const ahead = openAheadFile({ path: journal.aheadPath, owner }, { stepBytes, shelves: Infinity, mayGrow: growth.ahead });
    const done = journal.resume?.kind === 'spans' ? joinSpans(journal.resume.done) : [];
    const notes = new SpanJournal({
      journal: { path: journal.journalPath, owner },
      layer,
      isFlushed: durability === 'full',
    });
    const transfer = new SpanTransfer(ahead, notes, done);
    transfer.#kept = [...(await ahead.kept())];
    return transfer;
  }

  /** An earlier process has decompressed it. */
  isDone({ uncompressedStart, uncompressedEnd }: SpanRun): boolean {
    return this.#done.some((span) => span.uncompressedStart <= uncompressedStart && uncompressedEnd <= span.uncompressedEnd);
  }

  /** Each run that is not done begins once. */
  begin(run: SpanRun): BegunRun {
    const kept = this.#takeKept(run);
    const shelves: AheadShelf[] = [];
    const keptEnd = kept.at(-1)?.end ?? run.compressedStart;
    const all = this.#bytesOf.bind(this);
    return {
      keptBytes: keptEnd - run.compressedStart,
      async *bytes(fetch) {
        for (const range of kept) yield* readKept(range);
        if (keptEnd < run.compressedEnd) yield* all(await fetch(keptEnd), keptEnd, shelves);
      },
      done: async () => {
        await this.#journal?.note(run);
        for (const place of [...kept, ...shelves]) place.release();
      },
    };
  }

  /** What no run that is to come wants is given up: its place is for others. */
  forgetAllBut(runs: readonly SpanRun[]): void {
    const isWanted = ({ start }: KeptRange): boolean =>
      runs.some(({ compressedStart, compressedEnd }) => compressedStart <= start && start < compressedEnd);
    for (const range of this.#kept) if (!isWanted(range)) range.release();
    this.#kept = this.#kept.filter(isWanted);
  }

  /** Ends the use; what was written stays. @throws ClipctlError STORAGE_* when something could not be noted */
  async close(): Promise<void> {
    await this.#ahead?.close();
    await this.#journal?.close();
  }

  /** The stretch from the start of the run, without a hole. */
  #takeKept({ compressedStart, compressedEnd }: SpanRun): KeptRange[] {
    const taken: KeptRange[] = [];
    let at = compressedStart;
    for (const range of this.#kept) {
      if (range.start !== at || range.end > compressedEnd) continue;
      taken.push(range);
      at = range.end;
    }
    return taken;
  }

  /** Hands on what comes, and keeps it: a step is written while the next one comes. */
  async *#bytesOf(
    pieces: AsyncIterable<Uint8Array>,
    start: number,
    shelves: AheadShelf[],
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let shelf: AheadShelf | undefined;
    let at = start;
    let filled = SHELF_BYTES;
    let writing: Promise<void> = Promise.resolve();
    try {
      for await (const piece of pieces) {
        for (let from = 0; from < piece.length;) {
          if (filled === SHELF_BYTES) {
            await writing;
            await shelf?.end();
            shelf = await this.#ahead?.take(at);
            if (shelf !== undefined) shelves.push(shelf);
            filled = 0;
          }
          const part = piece.subarray(from, Math.min(piece.length, from + SHELF_BYTES - filled));
          await writing;
          writing = shelf?.add(Buffer.from(part.buffer, part.byteOffset, part.length)) ?? Promise.resolve();
          from += part.length;
          filled += part.length;
          at += part.length;
        }
        yield piece;
      }
    } finally {
      await writing;
      await shelf?.end();
    }
  }
}

/** Neighbours become one. */
function joinSpans(spans: readonly DoneSpan[]): DoneSpan[] {
  const joined: DoneSpan[] = [];
  for (const span of spans.toSorted((a, b) => a.uncompressedStart - b.uncompressedStart)) {
    const last = joined.at(-1);
    if (last === undefined || span.uncompressedStart > last.uncompressedEnd) joined.push(span);
    else joined.splice(-1, 1, { ...last, uncompressedEnd: Math.max(last.uncompressedEnd, span.uncompressedEnd) });
  }
  return joined;
}

async function* readKept(range: KeptRange): AsyncGenerator<Uint8Array, void, undefined> {
  for (let at = range.start; at < range.end;) {
    const bytes = await range.read(at, range.end);
    yield bytes;
    at += bytes.byteLength;
  }
}
