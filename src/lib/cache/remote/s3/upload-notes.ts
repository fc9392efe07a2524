/**
 * What is under way on a server, noted on disk: one small file an open multipart upload. A process that is killed leaves
 * its note, and the next one aborts exactly that upload. A note holds no secret.
 */
import { randomBytes } from 'node:crypto';
import { opendir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import { errnoOf } from '../../errno.ts';
import { makeDirectory } from '../../make-directory.ts';
import { readSmallFile } from '../../regular-file.ts';

export interface UploadNote {
  /** The server; empty = AWS. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly key: string;
  readonly uploadId: string;
}

interface StoredNote extends UploadNote {
  readonly version: number;
  readonly pid: number;
  /** Where `pid` means something. */
  readonly place: string;
}

const NOTE_VERSION = 1;
const MAX_NOTE_BYTES = 16 * 1024;
/** A part takes minutes at worst: whoever moved none for so long is gone, wherever it ran. */
const ABANDONED_AFTER_MS = 3_600_000;
const NAME = /^s3-[0-9a-f]{32}\.json$/;
/** Notes of this process. Process ids are used again (in a container always), so its own id says nothing. */
const OWN = new Set<string>();

/** Notes an upload that was just opened; returns the path of the note. @throws ClipctlError STORAGE_* */
export async function noteUpload(directory: string, note: UploadNote): Promise<string> {
  const path = join(directory, `s3-${randomBytes(16).toString('hex')}.json`);
  const stored: StoredNote = { version: NOTE_VERSION, ...note, pid: process.pid, place: await placeOfProcess() };
  OWN.add(path);
  try {
    await makeDirectory(directory, 0o700);
    await writeFile(path, `${JSON.stringify(stored)}\n`, { flag: 'wx', mode: 0o600 });
    return path;
  } catch (error) {
    OWN.delete(path);
    throw storageError(error, path, 'write');
  }
}

/** Says that the upload still moves. */
export async function touchNote(path: string): Promise<void> {
  const now = new Date();
  // Without its note an upload still ends well; only the clean-up after a kill is lost.
  await utimes(path, now, now).catch(() => undefined);
}

/** The upload is over. @throws ClipctlError STORAGE_* */
export async function dropNote(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw storageError(error, path, 'remove');
  } finally {
    OWN.delete(path);
  }
}

/** Uploads that nobody works on any more, by the paths of their notes. A missing directory has none. */
export async function abandonedUploads(directory: string): Promise<ReadonlyMap<string, UploadNote>> {
  const found = new Map<string, UploadNote>();
  const place = await placeOfProcess();
  for (const name of await noteNames(directory)) {
    const path = join(directory, name);
    const file = OWN.has(path) ? undefined : await readSmallFile(path, MAX_NOTE_BYTES);
    const note = file === undefined ? undefined : parseNote(file.text);
    if (file === undefined || note === undefined) continue;
    const isGone = note.place === place && (note.pid === process.pid || !isAlive(note.pid));
    if (isGone || Date.now() - file.modifiedMs > ABANDONED_AFTER_MS) found.set(path, note);
  }
  return found;
}

async function noteNames(directory: string): Promise<string[]> {
  const names: string[] = [];
  try {
    for await (const { name } of await opendir(directory)) if (NAME.test(name)) names.push(name);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw storageError(error, directory, 'list');
  }
  return names;
}

/** The host, and on Linux the set of processes that ids belong to. */
async function placeOfProcess(): Promise<string> {
  return `${hostname()} ${await readlink('/proc/self/ns/pid').catch(() => '')}`.trim();
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it lives, and is not ours.
    return errnoOf(error) !== 'ESRCH';
  }
}

function parseNote(text: string): StoredNote | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // A kill may cut a note; its upload can't be known then.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const note = value as Partial<StoredNote>;
  const texts = [note.endpoint, note.bucket, note.key, note.uploadId, note.place];
  const isNote =
    note.version === NOTE_VERSION && Number.isSafeInteger(note.pid) && texts.every((each) => typeof each === 'string');
  return isNote ? (note as StoredNote) : undefined;
}
