/**
 * What is under way on a server, noted on disk: one small file an open upload. A process that is killed leaves its note,
 * and the next one aborts exactly that upload. The address of an upload may be all that protects it: a note is for its
 * owner alone, and no output shows what it says.
 */
import { randomBytes } from 'node:crypto';
import { lstat, opendir, readlink, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { storageError } from '../../errors.ts';
import { errnoOf } from '../../errno.ts';
import { groupModeOf } from '../group-access.ts';
import { makeDirectory } from '../make-directory.ts';
import { replaceFile } from '../publish-file.ts';
import { readSmallFile } from '../regular-file.ts';

/** What a driver says of an upload, in fields of its own. */
export type UploadNote<Field extends string> = Readonly<Record<Field, string>>;

export interface NoteKind<Field extends string> {
  /** What the names of its notes start with. */
  readonly prefix: 's3' | 'oci';
  readonly fields: readonly Field[];
}

interface Owner {
  readonly version: number;
  readonly pid: number;
  /** Where `pid` means something. */
  readonly place: string;
}

const NOTE_VERSION = 1;
const MAX_NOTE_BYTES = 16 * 1024;
/** A part takes minutes at worst: whoever moved none for so long is gone, wherever it ran. */
const ABANDONED_AFTER_MS = 3_600_000;
const NAME = /^[0-9a-f]{32}\.json$/;
/** Notes of this process. Process ids are used again (in a container always), so its own id says nothing. */
const OWN = new Set<string>();

/** Notes an upload that was just opened; returns the path of the note. @throws ClipctlError STORAGE_* */
export async function noteUpload<Field extends string>(
  directory: string,
  { prefix }: NoteKind<Field>,
  note: UploadNote<Field>,
): Promise<string> {
  const path = join(directory, `${prefix}-${randomBytes(16).toString('hex')}.json`);
  OWN.add(path);
  try {
    // In a group's cache each member notes here what is for that one alone to read.
    await makeDirectory(directory, (await groupModeOf(dirname(directory))) ?? 0o700);
    await renewNote(path, note);
    return path;
  } catch (error) {
    OWN.delete(path);
    throw storageError(error, path, 'write');
  }
}

/** Says where the upload goes on, in one step: a kill leaves the one note or the other. @throws ClipctlError STORAGE_* */
export async function renewNote<Field extends string>(path: string, note: UploadNote<Field>): Promise<void> {
  const owner: Owner = { version: NOTE_VERSION, pid: process.pid, place: await placeOfProcess() };
  const written = `${path}.new`;
  try {
    await writeFile(written, `${JSON.stringify({ ...note, ...owner })}\n`, { flag: 'wx', mode: 0o600 });
    await replaceFile(written, path);
  } catch (error) {
    // What is left without a name of a note says nothing to anybody.
    await rm(written, { force: true }).catch(() => undefined);
    throw storageError(error, path, 'write');
  }
}

/** Says that the upload still moves. */
export async function touchNote(path: string): Promise<void> {
  const now = new Date();
  // Without its note an upload still ends well; only the clean-up after a kill is lost.
  await utimes(path, now, now).catch(() => undefined);
}

/** The upload is over. */
export async function dropNote(path: string): Promise<void> {
  // A note that stays is dropped by the next process: the server does not know the upload any more.
  await rm(path, { force: true }).catch(() => undefined);
  OWN.delete(path);
}

/** Uploads that nobody works on any more, by the paths of their notes. A missing directory has none. @throws ClipctlError STORAGE_* */
export async function abandonedUploads<Field extends string>(
  directory: string,
  kind: NoteKind<Field>,
): Promise<ReadonlyMap<string, UploadNote<Field>>> {
  const found = new Map<string, UploadNote<Field>>();
  const place = await placeOfProcess();
  for (const name of await noteNames(directory, kind.prefix)) {
    const path = join(directory, name);
    const file = OWN.has(path) || !(await isOfOurUser(path)) ? undefined : await readSmallFile(path, MAX_NOTE_BYTES);
    const note = file === undefined ? undefined : parseNote(file.text, kind.fields);
    if (file === undefined || note === undefined) continue;
    const isGone = note.place === place && (note.pid === process.pid || !isAlive(note.pid));
    if (isGone || Date.now() - file.modifiedMs > ABANDONED_AFTER_MS) found.set(path, note);
  }
  return found;
}

/** In a group's cache each member aborts its own: a note of another is not ours to read, nor one to believe. */
async function isOfOurUser(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found?.uid === (process.getuid?.() ?? found?.uid);
}

async function noteNames(directory: string, prefix: string): Promise<string[]> {
  const names: string[] = [];
  const isNote = (name: string): boolean => name.startsWith(`${prefix}-`) && NAME.test(name.slice(prefix.length + 1));
  try {
    for await (const { name } of await opendir(directory)) if (isNote(name)) names.push(name);
  } catch (error) {
    // In a shared cache directory those of somebody else are not for us.
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EACCES') throw storageError(error, directory, 'list');
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

function parseNote<Field extends string>(text: string, fields: readonly Field[]): (UploadNote<Field> & Owner) | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Whoever damaged it: its upload can't be known.
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const note = value as Partial<Record<string, unknown>>;
  const isOwned = note['version'] === NOTE_VERSION && isProcessId(note['pid']) && typeof note['place'] === 'string';
  const isWhole = isOwned && fields.every((field) => typeof note[field] === 'string');
  return isWhole ? (note as UploadNote<Field> & Owner) : undefined;
}

/** Zero and less name groups of processes. */
function isProcessId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}
