/** The directories of transfers under way, `ingest/<64 hex of the layer>.<32 hex>`: whose lock guards one, its name tells. */
import { randomBytes } from 'node:crypto';
import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { errnoOf } from '../../../errno.ts';
import { ingestDirectory } from '../cache-layout.ts';

export const TRANSFER_FILES = { layer: 'layer', journal: 'journal', spool: 'spool', ahead: 'ahead' } as const;

export type TransferFile = keyof typeof TRANSFER_FILES;

/** Room for these is asked for before they grow. */
export const BOOKED_FILES = ['layer', 'spool', 'ahead'] as const;

export type BookedFile = (typeof BOOKED_FILES)[number];

const NAME = /^([0-9a-f]{64})\.[0-9a-f]{32}$/;

export interface Transfer {
  readonly hash: ContentHash;
  /** Its directory. */
  readonly path: string;
}

/** A name that nobody has. Without `hash` it is under no lock. */
export function newTransferPath(cacheDir: string, hash: ContentHash | undefined): string {
  const random = randomBytes(16).toString('hex');
  return join(ingestDirectory(cacheDir), hash === undefined ? random : `${hash}.${random}`);
}

/** Transfers under a lock, whoever works on them. @throws ClipctlError STORAGE_* */
export async function listTransfers(cacheDir: string): Promise<Transfer[]> {
  // A link would lead out of the cache directory.
  return (await listNames(cacheDir)).filter(({ isDirectory }) => isDirectory).map(({ hash, path }) => ({ hash, path }));
}

/** Directories of transfers that are under no lock. @throws ClipctlError STORAGE_* */
export async function listUnlocked(cacheDir: string): Promise<string[]> {
  const directory = ingestDirectory(cacheDir);
  const isOne = (entry: Dirent): boolean => entry.isDirectory() && /^[0-9a-f]{32}$/.test(entry.name);
  return (await entriesOf(directory)).filter(isOne).map(({ name }) => join(directory, name));
}

export interface LayerUnderWay {
  /** Of its transfer. */
  readonly directory: string;
  readonly stats: Stats;
}

/**
 * The layers of all transfers, under a lock or not; one that was killed right behind its commit has its final name too.
 * @throws ClipctlError STORAGE_*
 */
export async function layersUnderWay(cacheDir: string): Promise<LayerUnderWay[]> {
  const directories = [...(await listTransfers(cacheDir)).map(({ path }) => path), ...(await listUnlocked(cacheDir))];
  const found = await Promise.all(directories.map(async (directory) => ({ directory, stats: await ownLayerIn(directory) })));
  return found.flatMap(({ directory, stats }) => (stats === undefined ? [] : [{ directory, stats }]));
}

/** `undefined`: there is none, or one of another owner than its directory, who may have linked to anything. */
export async function ownLayerIn(directory: string): Promise<Stats | undefined> {
  try {
    const layer = await layerOf(directory);
    return layer.isFile() && layer.uid === (await lstat(directory)).uid ? layer : undefined;
  } catch {
    return undefined;
  }
}

/** What is named like a transfer and is no directory: somebody else put it there. @throws ClipctlError STORAGE_* */
export async function listForeignTransfers(cacheDir: string): Promise<string[]> {
  return (await listNames(cacheDir)).filter(({ isDirectory }) => !isDirectory).map(({ path }) => path);
}

async function listNames(cacheDir: string): Promise<(Transfer & { readonly isDirectory: boolean })[]> {
  const directory = ingestDirectory(cacheDir);
  return (await entriesOf(directory)).flatMap((entry) => {
    const hash = NAME.exec(entry.name)?.[1] as ContentHash | undefined;
    return hash === undefined ? [] : [{ hash, path: join(directory, entry.name), isDirectory: entry.isDirectory() }];
  });
}

async function entriesOf(directory: string): Promise<Dirent[]> {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw storageError(error, directory, 'read');
  }
}

/** A layer that has its final name already must never be written to again. */
export async function isUnpublished(path: string): Promise<boolean> {
  try {
    const layer = await layerOf(path);
    return layer.isFile() && layer.nlink === 1;
  } catch {
    return false;
  }
}

function layerOf(directory: string): Promise<Stats> {
  return lstat(join(directory, TRANSFER_FILES.layer));
}
