/**
 * Taking layers out so that nobody loses one they have just leased: a layer first leaves its name, then all leases are
 * read again, and only then does it go for good; one that got a lease meanwhile comes back. Who takes a lease looks for
 * the layer afterwards, so it either finds it, or knows that it has to fetch it.
 */
import type { Stats } from 'node:fs';
import { link, lstat, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { errnoOf } from '../../errno.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';
import { prepareOwnDirectory, recordPath, trashDirectory } from './cache-layout.ts';
import { emptyTrash, trashedRecordName } from './empty-trash.ts';
import { removeTransfer } from './ingest/remove-transfer.ts';
import { layersUnderWay } from './ingest/transfers.ts';
import { newOwnedName } from './owned-name.ts';
import type { SurveyedLayer } from './survey.ts';

export interface EvictOptions {
  /** Layers that must stay, read at this moment. */
  readonly readHeld: () => Promise<ReadonlySet<ContentHash>>;
}

interface Trashed {
  readonly layer: SurveyedLayer;
  readonly content: string;
  readonly record: string;
}

/**
 * Gives the layers that are gone, be it that another process took them out at the same time.
 * @throws ClipctlError STORAGE_*
 */
export async function evictLayers(
  cacheDir: string,
  victims: readonly SurveyedLayer[],
  { readHeld }: EvictOptions,
): Promise<SurveyedLayer[]> {
  await emptyTrash(cacheDir);
  if (victims.length === 0) return [];
  await prepareOwnDirectory(cacheDir, 'trash');
  const trashed: Trashed[] = [];
  const gone: SurveyedLayer[] = [];
  for (const layer of victims) {
    const outcome = await takeOut(cacheDir, layer);
    if (outcome === 'gone') gone.push(layer);
    else if (outcome !== 'stays') trashed.push(outcome);
  }
  const held = trashed.length === 0 ? new Set<ContentHash>() : await readHeld();
  for (const each of trashed) {
    if (held.has(each.layer.hash)) await putBack(cacheDir, each);
    else gone.push((await hasOtherNames(cacheDir, each)) ? { ...each.layer, diskBytes: 0 } : each.layer);
    await dropStrayRecord(cacheDir, each);
    await drop(each);
  }
  return gone;
}

/**
 * A commit that was killed has left the layer in its transfer too: that goes now, or nothing would be gained. True when there are
 * names still, which others gave it. Who commits holds a lease: it is none that runs.
 */
async function hasOtherNames(cacheDir: string, { content }: Trashed): Promise<boolean> {
  const linksTo = async (): Promise<Stats | undefined> => lstat(content).catch(() => undefined);
  const file = await linksTo();
  if (file === undefined || file.nlink === 1) return false;
  for (const { directory, stats } of await layersUnderWay(cacheDir)) {
    if (stats.ino === file.ino && stats.dev === file.dev) await asFarAsPossible(() => removeTransfer(directory));
  }
  return ((await linksTo())?.nlink ?? 1) > 1;
}

/** The record goes first: one that is written meanwhile is of a file that was committed meanwhile. */
async function takeOut(cacheDir: string, layer: SurveyedLayer): Promise<Trashed | 'gone' | 'stays'> {
  const name = await newOwnedName();
  const path = join(cacheDir, layer.hash);
  const content = join(trashDirectory(cacheDir), `${name}.layer`);
  const record = join(trashDirectory(cacheDir), trashedRecordName(name, layer.hash));
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return 'gone';
  // What is no file of the survey's size is somebody else's by now.
  if (!found.isFile() || found.size !== layer.sizeBytes) return 'stays';
  await move(recordPath(cacheDir, layer.hash), record);
  if (await move(path, content)) return { layer, content, record };
  // Another eviction was first. Who puts its layer back had a lease to heed, whose holder vouches for the layer again.
  await drop({ content, record });
  return 'gone';
}

async function putBack(cacheDir: string, { layer, content, record }: Trashed): Promise<void> {
  // A new one that was committed meanwhile is as good.
  if (await comeBack(content, join(cacheDir, layer.hash))) await comeBack(record, recordPath(cacheDir, layer.hash));
}

/**
 * Whoever held the layer a moment ago may have written its record, or an eviction put it back, while the layer was on its
 * way out: a record without a layer would be missing to everybody. One of a layer that has come meanwhile stays.
 */
async function dropStrayRecord(cacheDir: string, { layer, record }: Trashed): Promise<void> {
  const path = join(cacheDir, layer.hash);
  const isThere = async (): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined;
  // A name of its own: a rename onto another link to the same file does nothing.
  const aside = `${record}.stray`;
  if ((await isThere()) || !(await move(recordPath(cacheDir, layer.hash), aside))) return;
  if (await isThere()) await comeBack(aside, recordPath(cacheDir, layer.hash));
  await drop({ content: aside, record });
}

async function comeBack(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST' || errnoOf(error) === 'ENOENT') return false;
    // Where there are no links (FAT, some FUSE) a rename does it.
    return (await lstat(to).catch(() => undefined)) === undefined && move(from, to);
  }
}

async function drop({ content, record }: Omit<Trashed, 'layer'>): Promise<void> {
  try {
    await rm(content, { force: true });
    await rm(record, { force: true });
  } catch (error) {
    throw storageError(error, content, 'remove');
  }
}

/** False when there was nothing to move. */
async function move(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw storageError(error, from, 'evict');
  }
}
