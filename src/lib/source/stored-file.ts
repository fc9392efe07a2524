/** Where the files of a local image lie: a directory, or an archive that is read in place. */
import type { Readable } from 'node:stream';
import { tooLarge } from '../oci/strict-json.ts';

/** A regular file, opened. One of the three ways out must be taken. */
export interface StoredFile {
  readonly sizeBytes: number;
  /** All of it, and closes; the caller has held `sizeBytes` against a limit. */
  readAll(): Promise<Buffer>;
  /** `start` < `end` ≤ sizeBytes; closes at its end. */
  stream(start: number, end: number, signal: AbortSignal): Readable;
  close(): Promise<void>;
}

export interface FileStore {
  /** As the user named it, for messages. */
  readonly name: string;
  /** What it is, for messages: `directory`, `archive`. */
  readonly what: string;
  /**
   * @param path relative, `/` between names
   * @returns undefined when there is no such file
   * @throws ClipctlError IMAGE_NOT_FOUND when the store itself is not there, LAYOUT_INVALID for what is no regular file, STORAGE_*
   */
  open(path: string, signal: AbortSignal): Promise<StoredFile | undefined>;
  close(): Promise<void>;
}

/** Reads a file whole; the size is capped before anything is allocated. */
export async function readWhole(file: StoredFile, what: string, maxBytes: number): Promise<Buffer> {
  if (file.sizeBytes <= maxBytes) return file.readAll();
  await file.close();
  throw tooLarge({ what, maxBytes }, file.sizeBytes);
}
