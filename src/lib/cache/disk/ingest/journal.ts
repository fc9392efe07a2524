/**
 * The journal of a transfer, beside its partial file: what is being fetched, places to go on from, and how much has
 * reached the disk. A line is `<crc32 in hex> <JSON>`; the first that is torn or wrong ends what is read. It is a hint
 * that saves fetching, never a proof: what is made of it is hashed whole.
 */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { DiffId, Digest } from '../../../oci/digest.ts';
import type { LockKind } from '../lock/lock-holder.ts';

export const JOURNAL_VERSION = 1;

/** RFC 1951: how far matches reach back; a block header is shorter than this (window-codec.ts). */
const MAX_WINDOW_BYTES = 32 * 1024;
const MAX_BLOCK_HEADER_BYTES = 1024;

/** Where a decoder can go on: what compression/resume-point.ts tells of, as the journal keeps it. */
export interface ResumePlace {
  readonly compression: 'gzip' | 'none';
  readonly compressedOffset: number;
  /** Bits of the byte before `compressedOffset` that are still to be used. */
  readonly bit: number;
  readonly uncompressedOffset: number;
  readonly windowBytes?: number;
  readonly blockHeader?: Uint8Array;
}

/** A checkpoint of the layer, with its packed window. */
export interface JournalCheckpoint {
  readonly compressedOffset: number;
  readonly bit: number;
  readonly uncompressedOffset: number;
  readonly window: Uint8Array;
}

/** What a transfer brings: only the same one may go on with it. */
export interface TransferKey {
  readonly digest: Digest;
  /** Compressed. */
  readonly sizeBytes: number;
  readonly diffId: DiffId;
  /** As in LayerJob: the list of checkpoints must come out the same. */
  readonly checkpointIntervalBytes: number;
  /** Its parts come side by side (pipeline/ingest-spans.ts): nothing but its diffID tells where it is whole. */
  readonly isInSpans?: boolean;
}

/** A part of a layer in spans that stands in the partial file: compressed bytes [start, end) gave these. */
export interface DoneSpan {
  readonly uncompressedStart: number;
  readonly uncompressedEnd: number;
  readonly compressedBytes: number;
}

export interface Journal {
  readonly key: TransferKey;
  /** Of whoever writes it: without the kernel's nobody knows whether that one has ended. */
  readonly lockKind: LockKind;
  /** It was written since this machine was started: nothing that was written is lost. */
  readonly isOfThisBoot: boolean;
  readonly points: readonly ResumePlace[];
  readonly checkpoints: readonly JournalCheckpoint[];
  /** Bytes of the partial file (or of the spool) that reached the disk. */
  readonly syncedBytes: number;
  /** Of a layer in spans; those that reached the disk, or were written since this machine was started. */
  readonly spans: readonly DoneSpan[];
}

type Line =
  | ({ readonly v: number; readonly boot: string; readonly lock?: LockKind } & TransferKey)
  | { readonly p: readonly number[]; readonly z: string; readonly h?: string }
  | { readonly k: readonly number[]; readonly w: string }
  | { readonly s: number }
  | { readonly d: readonly number[]; readonly f: boolean };

export function headerLine(key: TransferKey, lockKind: LockKind): string {
  return lineOf({ v: JOURNAL_VERSION, boot: bootId(), lock: lockKind, ...key });
}

/** A journal that was read, for another transfer to go on with. */
export function withLockKind(text: string, lockKind: LockKind): string {
  const header = readLines(text).next().value;
  return header === undefined ? text : lineOf({ ...header, lock: lockKind }) + text.slice(text.indexOf('\n') + 1);
}

export function pointLine(point: ResumePlace): string {
  const { compression, compressedOffset, bit, uncompressedOffset, windowBytes = -1, blockHeader } = point;
  const header = blockHeader === undefined ? {} : { h: Buffer.from(blockHeader).toString('base64') };
  return lineOf({ p: [compressedOffset, bit, uncompressedOffset, windowBytes], z: compression, ...header });
}

export function checkpointLine({ compressedOffset, bit, uncompressedOffset, window }: JournalCheckpoint): string {
  return lineOf({ k: [compressedOffset, bit, uncompressedOffset], w: Buffer.from(window).toString('base64') });
}

export function syncedLine(bytes: number): string {
  return lineOf({ s: bytes });
}

function lineOf(line: Line | (Line & { readonly lock: LockKind })): string {
  const json = JSON.stringify(line);
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`;
}

/** @param isFlushed the part was brought to disk before */
export function spanLine({ uncompressedStart, uncompressedEnd, compressedBytes }: DoneSpan, isFlushed: boolean): string {
  return lineOf({ d: [uncompressedStart, uncompressedEnd, compressedBytes], f: isFlushed });
}

/** `undefined` = no journal of this version, or a torn beginning. */
export function parseJournal(text: string): Journal | undefined {
  const lines = readLines(text);
  const header = lines.next().value;
  if (header === undefined || !('v' in header) || header.v !== JOURNAL_VERSION) return undefined;
  const { boot, lock } = header;
  const isOfThisBoot = boot !== '' && boot === bootId();
  const points: ResumePlace[] = [];
  const checkpoints: JournalCheckpoint[] = [];
  // Noted again once it was flushed.
  const spans = new Map<string, DoneSpan>();
  let syncedBytes = 0;
  for (const line of lines) {
    if ('s' in line) syncedBytes = line.s;
    else if ('k' in line) checkpoints.push(checkpointOf(line));
    else if ('d' in line) {
      for (const span of line.f || isOfThisBoot ? spansOf(line) : []) spans.set(line.d.join(), span);
    } else if ('p' in line) {
      const point = pointOf(line, points.at(-1));
      if (point === undefined) break;
      points.push(point);
    }
  }
  // Earlier builds did not say.
  const lockKind = lock === 'kernel' ? lock : 'lease';
  return { key: keyOf(header), lockKind, isOfThisBoot, points, checkpoints, syncedBytes, spans: [...spans.values()] };
}

function keyOf({ digest, sizeBytes, diffId, checkpointIntervalBytes, isInSpans = false }: TransferKey): TransferKey {
  return { digest, sizeBytes, diffId, checkpointIntervalBytes, isInSpans };
}

function* readLines(text: string): Generator<Line, undefined, undefined> {
  for (let at = 0, end = text.indexOf('\n'); end >= 0; at = end + 1, end = text.indexOf('\n', at)) {
    const json = text.slice(at + 9, end);
    if (text.slice(at, at + 9) !== `${crc32(json).toString(16).padStart(8, '0')} `) return undefined;
    yield JSON.parse(json) as Line;
  }
  return undefined;
}

/** Offsets only grow; a window lies inside of what there is. */
function pointOf({ p, z, h }: Extract<Line, { p: readonly number[] }>, before: ResumePlace | undefined): ResumePlace | undefined {
  const [compressedOffset = -1, bit = -1, uncompressedOffset = -1, windowBytes = -1] = p;
  if (!isOffset(compressedOffset) || !isOffset(uncompressedOffset) || !isOffset(bit) || bit > 7) return undefined;
  if (compressedOffset < (before?.compressedOffset ?? 0) || uncompressedOffset < (before?.uncompressedOffset ?? 0))
    return undefined;
  if (windowBytes > Math.min(MAX_WINDOW_BYTES, uncompressedOffset)) return undefined;
  const blockHeader = h === undefined ? undefined : Uint8Array.from(Buffer.from(h, 'base64'));
  if (blockHeader !== undefined && blockHeader.length > MAX_BLOCK_HEADER_BYTES) return undefined;
  return {
    compression: z === 'gzip' ? 'gzip' : 'none',
    compressedOffset,
    bit,
    uncompressedOffset,
    ...(windowBytes < 0 ? {} : { windowBytes }),
    ...(blockHeader === undefined ? {} : { blockHeader }),
  };
}

/** One, or none when it says nothing. */
function spansOf({ d }: Extract<Line, { d: readonly number[] }>): DoneSpan[] {
  const [uncompressedStart = -1, uncompressedEnd = -1, compressedBytes = -1] = d;
  const isSpan = [uncompressedStart, uncompressedEnd, compressedBytes].every(isOffset) && uncompressedStart < uncompressedEnd;
  return isSpan ? [{ uncompressedStart, uncompressedEnd, compressedBytes }] : [];
}

function checkpointOf({ k, w }: Extract<Line, { k: readonly number[] }>): JournalCheckpoint {
  const [compressedOffset = 0, bit = 0, uncompressedOffset = 0] = k;
  return { compressedOffset, bit, uncompressedOffset, window: Uint8Array.from(Buffer.from(w, 'base64')) };
}

function isOffset(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

/** False: of a journal only what was flushed counts, also when the machine was not started anew. */
export function isBootKnown(): boolean {
  return bootId() !== '';
}

let knownBoot: string | undefined;

/** Empty where the system does not tell: then only what was flushed counts. */
function bootId(): string {
  try {
    knownBoot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    knownBoot = '';
  }
  return knownBoot;
}
