/** The compressed bytes of a layer that is taken up again: what was kept, then by Range the rest. */
import { createReadStream } from 'node:fs';
import type { IngestJournal } from '../cache/disk/ingest-file.ts';
import { storageError } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { ImageSource } from '../source/image-source.ts';

/** Small enough to need no lease. */
const READ_BYTES = 64 * 1024;

export interface ResumedBlob {
  readonly open: (signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;
  /** What the opened bytes begin with that is not fetched. */
  readonly replayedBytes: number;
  /** Where the opened bytes begin in the layer. */
  readonly startBytes: number;
}

/** @param journal undefined, or without anything kept: the whole layer */
export function openResumed(source: ImageSource, layer: LayerDescriptor, journal: IngestJournal | undefined): ResumedBlob {
  const resume = journal?.resume;
  const fetchRest = (start: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> =>
    source.openBlob(layer, start === 0 ? { signal } : { signal, range: { start, end: layer.sizeBytes } });
  if (journal === undefined || resume === undefined) {
    return { open: (signal) => fetchRest(0, signal), replayedBytes: 0, startBytes: 0 };
  }
  const { keptBytes } = resume;
  if (resume.kind === 'points')
    return { open: (signal) => fetchRest(keptBytes, signal), replayedBytes: 0, startBytes: keptBytes };
  const open = async (signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> => {
    // Asked for first: a registry that can't serve it is known before anything is decoded again.
    const rest = await fetchRest(keptBytes, signal);
    return joined(readSpool(journal.spoolPath, keptBytes), rest);
  };
  return { open, replayedBytes: keptBytes, startBytes: 0 };
}

async function* joined(first: AsyncIterable<Uint8Array>, second: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first;
  yield* second;
}

async function* readSpool(path: string, bytes: number): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path, { end: bytes - 1, highWaterMark: READ_BYTES }) as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw error instanceof Error && 'syscall' in error ? storageError(error, path, 'read') : error;
  }
}
