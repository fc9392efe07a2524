/** The compressed bytes of a layer that is taken up again: what was kept, then by Range the rest. */
import { constants } from 'node:fs';
import type { Readable } from 'node:stream';
import { openAheadFile } from '../cache/disk/ingest/ahead-file.ts';
import type { IngestJournal } from '../cache/disk/ingest-file.ts';
import { errnoOf } from '../errno.ts';
import { openOwn, type OwnFile } from '../cache/own-file.ts';
import { ClipctlError, storageError } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { ImageSource } from '../source/image-source.ts';

/** Small enough to need no lease. */
const READ_BYTES = 64 * 1024;

export interface ResumedBlob {
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  /** Of the bytes taken so far, those that were there from before. */
  readonly replayedBytes: number;
  /** Those of them that the journal does not tell of: they had come before their turn. */
  readonly aheadBytes: number;
  /** Where the opened bytes begin in the layer. */
  readonly startBytes: number;
}

export interface ResumeOptions {
  /** Undefined, or without anything kept: the whole layer. */
  readonly journal: IngestJournal | undefined;
  /** Room beside the layer for what comes before its turn. */
  readonly mayGetAhead?: ((endBytes: number) => Promise<boolean>) | undefined;
  /** The bytes that came before were wrong: once more over one connection, without a Range where nothing was kept. */
  readonly isRefetch: boolean;
}

/** Prepares the bytes of a layer, the kept ones before the fetched ones; nothing is asked for before `open` is called. */
export function openResumed(source: ImageSource, layer: LayerDescriptor, options: ResumeOptions): ResumedBlob {
  const { journal, isRefetch, mayGetAhead: mayGrow } = options;
  const resume = journal?.resume;
  const ahead =
    !isRefetch && journal !== undefined
      ? openAheadFile({ path: journal.aheadPath, owner: journal.owner }, { ...(mayGrow && { mayGrow }) })
      : undefined;
  const keptBytes = resume?.keptBytes ?? 0;
  const fetchRest = (signal: AbortSignal): Promise<Readable> => {
    const range = keptBytes === 0 ? {} : { range: { start: keptBytes, end: layer.sizeBytes } };
    return source.openBlob(layer, { signal, isParallel: !isRefetch, isRefetch, ...range, ...(ahead && { ahead }) });
  };
  const spool = journal && resume?.kind === 'spool' ? { path: journal.spoolPath, owner: journal.owner } : undefined;
  const openSpooled = async (signal: AbortSignal, kept: OwnFile): Promise<AsyncIterable<Uint8Array>> => {
    // Asked for first: a registry that can't serve it is known before anything is decoded again.
    const rest = await fetchRest(signal);
    return joined(readSpool(kept, keptBytes), rest);
  };
  return {
    open: (signal) => (spool === undefined ? fetchRest(signal) : openSpooled(signal, spool)),
    startBytes: spool === undefined ? keptBytes : 0,
    get aheadBytes() {
      return ahead?.replayedBytes ?? 0;
    },
    get replayedBytes() {
      return (spool === undefined ? 0 : keptBytes) + this.aheadBytes;
    },
  };
}

async function* joined(first: AsyncIterable<Uint8Array>, second: Readable): AsyncGenerator<Uint8Array> {
  try {
    yield* first;
    yield* second as AsyncIterable<Uint8Array>;
  } finally {
    // It holds a connection, also when nobody came as far as reading it.
    second.destroy();
  }
}

/**
 * It may be given up meanwhile, for another layer (cache/disk/spare-spools.ts): what is left of it is worth nothing then.
 * @throws ClipctlError SIZE_MISMATCH when not all of it is there any more, which is worth a new start; STORAGE_ERROR
 */
async function* readSpool(spool: OwnFile, bytes: number): AsyncGenerator<Uint8Array> {
  let leftBytes = bytes;
  try {
    const handle = await openOwn(spool, constants.O_RDONLY);
    // Closes it at its end, whatever the end.
    const pieces = handle.createReadStream({ end: bytes - 1, highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
    for await (const piece of pieces) {
      leftBytes -= piece.byteLength;
      yield piece;
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw isOfSystem(error) ? storageError(error, spool.path, 'read') : error;
  }
  if (leftBytes > 0) throw givenUp(spool.path, bytes, bytes - leftBytes);
}

function isOfSystem(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error;
}

function givenUp(path: string, expectedBytes: number, actualBytes: number): ClipctlError {
  return new ClipctlError(
    'SIZE_MISMATCH',
    `${path} was given up: ${actualBytes} of the ${expectedBytes} bytes kept there are left`,
    {
      details: { path, expectedBytes, actualBytes },
    },
  );
}
