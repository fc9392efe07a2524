/** What the main thread and a layer worker say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { IngestJournal } from '../cache/disk/ingest-file.ts';
import type { DecodeResult } from '../compression/decoder.ts';
import type { WasmModule } from '../compression/gzip/webassembly.ts';
import type { DecompressionLimits } from '../compression/limits.ts';
import type { ErrorCode, ErrorDetails } from '../errors.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import type { EntryList } from '../tar/packed-entries.ts';
import type { PackedEntries } from '../tar/packed-entry.ts';
import type { GrowthCell } from './growth-gate.ts';
import type { SpanRun } from './span-plan.ts';

/** One layer to take through a worker. */
export interface LayerJob {
  /** What the descriptor and the config promise; the bytes are held to it. */
  readonly expected: { readonly digest: Digest; readonly sizeBytes: number; readonly diffId: DiffId };
  /** Where the decompressed tar is written; undefined: nowhere. The file must exist, and hold nothing but what is resumed. */
  readonly ingestPath: string | undefined;
  /** False: its writer leaves flushing to the operating system. */
  readonly isFlushed: boolean;
  /** Undefined: nobody can go on with the layer when this process is stopped. */
  readonly journal?: IngestJournal;
  /** Undefined: it may get as large as it is. */
  readonly growth?: GrowthCell;
  /** Scan the tar and take the 4 MiB content digests (what an index needs). */
  readonly scan: boolean;
  /** Where to cut the decompressed tar into spans that are hashed each, ascending. */
  readonly cuts?: readonly number[];
  /** Decompressed bytes between two checkpoints of a gzip layer; 0 = none but the start. */
  readonly checkpointIntervalBytes: number;
  /** Also compare the checksums inside of the compressed stream, which the diffID makes superfluous for a reader. */
  readonly checksums?: boolean;
  readonly limits: DecompressionLimits;
  readonly maxEntries: number;
}

/** What the decoding side learned: the stream was whole, and the compressed digest holds where it says so. */
export interface DecodedFacts extends DecodeResult {
  readonly digest: Digest;
  /** `diffId`: of a resumed layer not all compressed bytes were seen. */
  readonly verifiedBy: 'digest+diffId' | 'diffId';
  /** Compressed bytes that an earlier transfer had brought. */
  readonly resumedBytes: number;
}

/** What the output side learned. Nothing was compared yet (layer-facts.ts does that). */
export interface OutputFacts {
  readonly diffId: DiffId;
  /** In tar order; empty when not scanned. */
  readonly entries: PackedEntries;
  /** sha256 of each 4 MiB of the decompressed tar, 32 bytes each; empty when not scanned. */
  readonly contentDigests: Uint8Array;
  /** sha256 of each span up to the next cut, 32 bytes each; what is behind the last cut is one more. Where cuts were asked for. */
  readonly cutDigests?: Uint8Array;
  /** Why the scan stopped; told only after the diffID is known to hold, which explains more. */
  readonly scanError: PlainError | undefined;
}

/** What was learned of a layer on its one pass. Everything in it was verified: diffID, size and, as `verifiedBy` says, digest hold. */
export interface LayerFacts extends DecodedFacts, Omit<OutputFacts, 'entries' | 'scanError'> {
  /** In tar order; empty when not scanned. */
  readonly entries: EntryList;
}

/** How the two threads of a split layer meet: decompressed bytes in shared slots, told by messages. */
export interface OutputLink {
  readonly shared: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** One run of a layer that an index knows (span-plan.ts). */
export interface SpanJob {
  readonly digest: Digest;
  readonly run: SpanRun;
  /** Written in its place; the file must exist. Undefined: the run is hashed instead. */
  readonly ingestPath: string | undefined;
}

/** What every worker is started with. */
export interface WorkerData {
  /** Holds who has the permit for a large zstd window (window-permit.ts). */
  readonly permitCell: Int32Array;
  /** Compiled; undefined where this Node cannot run it. */
  readonly kernel: WasmModule | undefined;
}

export type ToWorker =
  | { readonly type: 'begin'; readonly job: LayerJob; readonly shared: SharedArrayBuffer; readonly link?: OutputLink }
  | { readonly type: 'piece'; readonly slot: number; readonly length: number }
  | { readonly type: 'end' }
  | { readonly type: 'begin-span'; readonly job: SpanJob; readonly shared: SharedArrayBuffer }
  | { readonly type: 'begin-hash'; readonly path: string; readonly shared: SharedArrayBuffer }
  | { readonly type: 'begin-through'; readonly job: LayerJob; readonly link: OutputLink }
  | { readonly type: 'begin-outputs'; readonly job: LayerJob; readonly link: OutputLink };

export type FromWorker =
  | { readonly type: 'free'; readonly slot: number }
  /** The layer waits until it may get so large. */
  | { readonly type: 'grow'; readonly endBytes: number }
  | { readonly type: 'decoded'; readonly facts: DecodedFacts }
  | { readonly type: 'outputs'; readonly facts: OutputFacts }
  | { readonly type: 'span'; readonly sha256?: Uint8Array }
  | { readonly type: 'hashed'; readonly hex: string | undefined }
  | { readonly type: 'failed'; readonly error: PlainError };

/** An error as it crosses threads (structured clone would drop its class). */
export interface PlainError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  readonly details: ErrorDetails;
  readonly stack?: string;
}

/**
 * Compressed bytes wait in these: shared with the worker, filled by the main thread. With what waits in the ring and for the
 * journal they are what a kill costs of a layer: 2 MiB at most.
 */
export const SLOT_BYTES = 256 * 1024;
export const SLOT_COUNT = 4;
export const SLOTS_BYTES = SLOT_BYTES * SLOT_COUNT;

/** What one layer in flight takes from the budget: input slots, the ring of a split layer, the decoder's output and history. */
export const WORKING_SET_BYTES = 4 * 1024 * 1024;
