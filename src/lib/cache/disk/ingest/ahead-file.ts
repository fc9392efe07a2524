/**
 * Compressed bytes that were fetched before their turn, beside the partial file of a transfer: a killed process leaves
 * them to the next, which fetches only the holes. One file of a few shelves; on each stands a head (where in the blob, how
 * much, CRC-32 of that) before its bytes, written again whenever a step more is there. It saves fetching and proves
 * nothing: what is made of it is hashed whole.
 */
import { constants } from 'node:fs';
import { statfs, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { crc32 } from 'node:zlib';
import { storageError } from '../../../errors.ts';
import { openOwn, type OwnFile } from '../../own-file.ts';
import type { AheadShelf, AheadStore, KeptRange } from '../../../http/ahead-store.ts';
import { giveToGroup, READ_BY_GROUP } from '../../group-access.ts';

export type { AheadShelf, AheadStore, KeptRange } from '../../../http/ahead-store.ts';

/** For the pieces of http/parallel-body.ts, and those that were read a moment ago. */
const SHELVES = 8;
/** Shelves are found again by looking at each: a file with more of them is none of ours. */
const MOST_SHELVES = 65_536;
/** As long as what one request asks for (http/ahead-piece.ts). */
export const SHELF_BYTES = 4 * 1024 * 1024;
const HEAD_BYTES = 4096;
/** What a kill may cost of each piece. */
const STEP_BYTES = 64 * 1024;
const CHECK_BYTES = 64 * 1024;
/** `AHD1` */
const MAGIC = 0x41484431;
/** On less the space is for layers. */
const MIN_FREE_BYTES = 512 * 1024 * 1024;

export interface AheadFileOptions {
  /** Bytes of a piece that may wait to be written: what a kill costs of it. Default 64 KiB. */
  readonly stepBytes?: number;
  /** Pieces at once. Default 8. */
  readonly shelves?: number;
  /** Whether there is room for the file to get so large. Default: there is. */
  readonly mayGrow?: (endBytes: number) => Promise<boolean>;
}

/** @param file in the directory of a transfer; it need not exist */
export function openAheadFile(file: OwnFile, options: AheadFileOptions = {}): AheadStore {
  return new AheadFile(file, options);
}

function isRoom(): Promise<boolean> {
  return Promise.resolve(true);
}

interface Head {
  readonly start: number;
  readonly filled: number;
  readonly crc: number;
}

class AheadFile implements AheadStore {
  readonly #own: OwnFile;
  readonly #stepBytes: number;
  readonly #shelves: number;
  readonly #mayGrow: NonNullable<AheadFileOptions['mayGrow']>;
  readonly #used = new Set<number>();
  #grantedBytes = 0;
  #file: Promise<FileHandle | undefined> | undefined;
  #replayedBytes = 0;

  constructor(own: OwnFile, { stepBytes = STEP_BYTES, shelves = SHELVES, mayGrow = isRoom }: AheadFileOptions) {
    this.#own = own;
    this.#stepBytes = stepBytes;
    this.#shelves = Math.min(shelves, MOST_SHELVES);
    this.#mayGrow = mayGrow;
  }

  get replayedBytes(): number {
    return this.#replayedBytes;
  }

  async kept(): Promise<readonly KeptRange[]> {
    const file = await openOwn(this.#own, constants.O_RDWR).catch(() => undefined);
    if (file === undefined) return [];
    this.#file = Promise.resolve(file);
    const found: KeptRange[] = [];
    const there = Math.ceil((await sizeOf(file)) / (HEAD_BYTES + SHELF_BYTES));
    for (let shelf = 0; shelf < Math.min(there, this.#shelves); shelf++) {
      const head = await readShelf(file, shelf).catch(() => undefined);
      if (head !== undefined) found.push(this.#keptRange(file, shelf, head));
    }
    return found.toSorted((a, b) => a.start - b.start);
  }

  async take(start: number): Promise<AheadShelf | undefined> {
    this.#file ??= this.#create();
    let shelf = 0;
    while (this.#used.has(shelf)) shelf += 1;
    if (shelf >= this.#shelves) return undefined;
    this.#used.add(shelf);
    const file = await this.#file;
    const release = (): void => void this.#used.delete(shelf);
    if (file !== undefined && (await this.#isRoomFor(shelf)))
      return new Shelf({ file, base: baseOf(shelf), start, release, stepBytes: this.#stepBytes });
    release();
    return undefined;
  }

  async close(): Promise<void> {
    const file = await this.#file;
    this.#file = Promise.resolve(undefined);
    await file?.close().catch(() => undefined);
  }

  /** Never throws. */
  async #isRoomFor(shelf: number): Promise<boolean> {
    const endBytes = baseOf(shelf + 1);
    if (endBytes <= this.#grantedBytes) return true;
    const isRoom = await this.#mayGrow(endBytes).catch(() => false);
    if (isRoom) this.#grantedBytes = Math.max(this.#grantedBytes, endBytes);
    return isRoom;
  }

  /** undefined where the space is scarce, or the file can't be made: then nothing is fetched ahead. */
  async #create(): Promise<FileHandle | undefined> {
    try {
      const { bavail, bsize } = await statfs(dirname(this.#own.path));
      if (bavail * bsize < MIN_FREE_BYTES) return undefined;
      return await createAhead(this.#own);
    } catch {
      return undefined;
    }
  }

  #keptRange(file: FileHandle, shelf: number, { start, filled }: Head): KeptRange {
    this.#used.add(shelf);
    return {
      start,
      end: start + filled,
      release: () => void this.#used.delete(shelf),
      read: async (from, to) => {
        const bytes = Buffer.allocUnsafe(Math.min(to - from, CHECK_BYTES));
        try {
          await readFully(file, bytes, baseOf(shelf) + HEAD_BYTES + (from - start));
        } catch (error) {
          throw storageError(error, this.#own.path, 'read');
        }
        this.#replayedBytes += bytes.byteLength;
        return bytes;
      },
    };
  }
}

interface ShelfPlace {
  readonly file: FileHandle;
  /** Where its head is. */
  readonly base: number;
  readonly start: number;
  readonly stepBytes: number;
  readonly release: () => void;
}

class Shelf implements AheadShelf {
  readonly #place: ShelfPlace;
  /** Not written yet. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #filled = 0;
  #crc = 0;
  /** Its head tells of these bytes, not of what lay here before. */
  #isOurs = false;
  #isBroken = false;

  constructor(place: ShelfPlace) {
    this.#place = place;
  }

  async add(bytes: Buffer): Promise<void> {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.byteLength;
    if (this.#waitingBytes >= this.#place.stepBytes) await this.end();
  }

  async end(): Promise<void> {
    const pieces = this.#waiting;
    const bytes = this.#waitingBytes;
    this.#waiting = [];
    this.#waitingBytes = 0;
    if (this.#isBroken || bytes === 0 || this.#filled + bytes > SHELF_BYTES) return;
    const { file, base } = this.#place;
    try {
      // Before other bytes come to lie there, nothing may tell that they are the old ones.
      if (!this.#isOurs) await this.#writeHead();
      this.#isOurs = true;
      await file.writev(pieces, base + HEAD_BYTES + this.#filled);
      for (const piece of pieces) this.#crc = crc32(piece, this.#crc);
      this.#filled += bytes;
      await this.#writeHead();
    } catch {
      // A full disk, say: whoever writes the layer says so. Nothing is lost but what a kill would cost.
      this.#isBroken = true;
    }
  }

  release(): void {
    this.#place.release();
  }

  async #writeHead(): Promise<void> {
    const head = Buffer.alloc(32);
    head.writeUInt32BE(MAGIC, 4);
    head.writeDoubleBE(this.#place.start, 8);
    head.writeUInt32BE(this.#filled, 16);
    head.writeUInt32BE(this.#crc, 20);
    head.writeUInt32BE(crc32(head.subarray(4)), 0);
    await this.#place.file.write(head, 0, head.byteLength, this.#place.base);
  }
}

async function createAhead(own: OwnFile): Promise<FileHandle> {
  const file = await openOwn(own, constants.O_RDWR | constants.O_CREAT);
  try {
    await giveToGroup(file, own.path, READ_BY_GROUP);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function sizeOf(file: FileHandle): Promise<number> {
  return file.stat().then(
    ({ size }) => size,
    () => 0,
  );
}

function baseOf(shelf: number): number {
  return shelf * (HEAD_BYTES + SHELF_BYTES);
}

/** What stands on a shelf; undefined when it is nothing whole. */
async function readShelf(file: FileHandle, shelf: number): Promise<Head | undefined> {
  const head = Buffer.alloc(32);
  await readFully(file, head, baseOf(shelf));
  const start = head.readDoubleBE(8);
  const filled = head.readUInt32BE(16);
  const isHead = head.readUInt32BE(4) === MAGIC && head.readUInt32BE(0) === crc32(head.subarray(4));
  if (!isHead || !Number.isSafeInteger(start) || start < 0 || filled === 0 || filled > SHELF_BYTES) return undefined;
  const bytes = Buffer.allocUnsafe(CHECK_BYTES);
  let crc = 0;
  for (let at = 0; at < filled; at += CHECK_BYTES) {
    const part = bytes.subarray(0, Math.min(CHECK_BYTES, filled - at));
    await readFully(file, part, baseOf(shelf) + HEAD_BYTES + at);
    crc = crc32(part, crc);
  }
  return crc === head.readUInt32BE(20) ? { start, filled, crc } : undefined;
}

/** @throws RangeError when the file ends before */
async function readFully(file: FileHandle, into: Buffer, position: number): Promise<void> {
  for (let at = 0; at < into.byteLength;) {
    const { bytesRead } = await file.read(into, at, into.byteLength - at, position + at);
    if (bytesRead === 0) throw new RangeError('the file ends before');
    at += bytesRead;
  }
}
