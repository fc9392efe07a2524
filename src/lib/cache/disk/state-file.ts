/** Small files of our own state: JSON, replaced in one step, read with suspicion. Each is a help, so none needs an fsync. */
import { lutimes, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError, storageError, type ErrorCode } from '../../errors.ts';
import { errnoOf } from '../../errno.ts';
import { createFile } from '../group-access.ts';
import { lookAtFile, readSmallFile } from '../regular-file.ts';
import { directoryModeOf, ingestDirectory } from './cache-layout.ts';
import { makeOwnDirectories } from './held-layout.ts';
import { OWN_DIRECTORIES } from './own-names.ts';
import { newOwnedName } from './owned-name.ts';

/** A document as it stands on disk. */
export interface StateFile {
  /** A JSON object; its fields are unchecked. */
  readonly document: Readonly<Record<string, unknown>>;
  readonly modifiedMs: number;
}

/**
 * The JSON object in a file. `undefined` = missing, no regular file, too large, or no object.
 * @throws ClipctlError STORAGE_*
 */
export async function readStateFile(path: string, maxBytes: number): Promise<StateFile | undefined> {
  const file = await readSmallFile(path, maxBytes);
  if (file === undefined) return undefined;
  const document = parseObject(file.text);
  return document === undefined ? undefined : { document, modifiedMs: file.modifiedMs };
}

/** The JSON object that `text` is, or `undefined`. */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Replaces the file in one step; its directory is made when it is missing.
 * @param pathNow its path, which may be another one when its directory was made meanwhile (cache-layout.ts)
 * @param modifiedMs the mtime it gets; default: now
 * @throws ClipctlError STORAGE_*
 */
export async function writeStateFile(
  cacheDir: string,
  pathNow: () => string,
  { document, modifiedMs }: { readonly document: object; readonly modifiedMs?: number },
): Promise<void> {
  const name = `${await newOwnedName()}.record`;
  const temporary = (): string => join(ingestDirectory(cacheDir), name);
  const text = `${JSON.stringify(document)}\n`;
  try {
    await onceMade(cacheDir, () => createFile(temporary(), text));
    if (modifiedMs !== undefined) await lutimes(temporary(), modifiedMs / 1000, modifiedMs / 1000);
    await onceMade(cacheDir, () => rename(temporary(), pathNow()));
  } catch (error) {
    await rm(temporary(), { force: true });
    throw storageError(error, pathNow(), 'write');
  }
}

/** Makes the directories when `action` misses one. */
async function onceMade(cacheDir: string, action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    await makeOwnDirectories(cacheDir, OWN_DIRECTORIES, await directoryModeOf(cacheDir));
    await action();
  }
}

/** @throws ClipctlError STORAGE_* */
export async function removeStateFile(path: string): Promise<void> {
  try {
    await rm(path, { force: true });
  } catch (error) {
    throw storageError(error, path, 'remove');
  }
}

/** Names in a directory of ours, sorted; a missing directory has none. @throws ClipctlError STORAGE_* */
export async function namesIn(directory: string): Promise<string[]> {
  try {
    return (await readdir(directory)).sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(error, directory, 'list');
  }
}

/** How one kind of file is read. */
export interface RecordForm<T> {
  readonly maxBytes: number;
  /** `undefined` = it is no record of this kind. */
  readonly parse: (file: StateFile) => T | undefined;
}

export interface StateRecords<T> {
  readonly records: T[];
  /** Paths that should be of records, and hold none: damaged, too large, no regular file. */
  readonly broken: string[];
}

/** All records of a directory. @throws ClipctlError STORAGE_* */
export async function readStateRecords<T>(directory: string, { maxBytes, parse }: RecordForm<T>): Promise<StateRecords<T>> {
  const found: StateRecords<T> = { records: [], broken: [] };
  for (const path of await recordPathsIn(directory)) {
    const file = await readStateFile(path, maxBytes);
    const record = file === undefined ? undefined : parse(file);
    if (record !== undefined) found.records.push(record);
    // It may have gone since its name was read.
    else if ((await lookAtFile(path)) !== undefined) found.broken.push(path);
  }
  return found;
}

/** Of all records of a directory, sorted. @throws ClipctlError STORAGE_* */
export async function recordPathsIn(directory: string): Promise<string[]> {
  return (await namesIn(directory)).filter((name) => name.endsWith('.json')).map((name) => join(directory, name));
}

const UNWRITABLE: ReadonlySet<ErrorCode> = new Set(['STORAGE_DENIED', 'STORAGE_FULL']);

/** What only saves work is left out where the directory may be read but not written, or is full. */
export async function unlessUnwritable(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ClipctlError) || !UNWRITABLE.has(error.code)) throw error;
  }
}
