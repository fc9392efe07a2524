/** Pins: layers that no eviction takes, by the name that somebody gave (an image or a digest). One file a pin. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { contentHashOf, isDigest, type ContentHash, type DiffId } from '../../oci/digest.ts';
import { pinsDirectory } from './cache-layout.ts';
import { readStateRecords, removeStateFile, writeStateFile, type StateFile } from './state-file.ts';

const PIN_VERSION = 1;
const MAX_PIN_BYTES = 1024 * 1024;

export interface Pin {
  /** An image as it can be named again, or a digest. */
  readonly name: string;
  readonly diffIds: readonly DiffId[];
}

/** @throws ClipctlError STORAGE_* */
export async function writePin(cacheDir: string, { name, diffIds }: Pin): Promise<void> {
  await writeStateFile(cacheDir, () => pinPath(cacheDir, name), { document: { version: PIN_VERSION, name, diffIds } });
}

/** False when there was no such pin. @throws ClipctlError STORAGE_* */
export async function removePin(cacheDir: string, name: string): Promise<boolean> {
  const found = (await readPins(cacheDir)).some((pin) => pin.name === name);
  await removeStateFile(pinPath(cacheDir, name));
  return found;
}

/** All pins, by name. @throws ClipctlError STORAGE_* */
export async function readPins(cacheDir: string): Promise<Pin[]> {
  const { records } = await readStateRecords(pinsDirectory(cacheDir), FORM);
  return records.sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** Paths of pins that keep nothing any more. @throws ClipctlError STORAGE_* */
export async function brokenPins(cacheDir: string): Promise<readonly string[]> {
  return (await readStateRecords(pinsDirectory(cacheDir), FORM)).broken;
}

const FORM = { maxBytes: MAX_PIN_BYTES, parse: parsePin };

function parsePin({ document: { version, name, diffIds } }: StateFile): Pin | undefined {
  if (version !== PIN_VERSION || typeof name !== 'string' || !Array.isArray(diffIds)) return undefined;
  return { name, diffIds: diffIds.filter((diffId): diffId is DiffId => typeof diffId === 'string' && isDigest(diffId)) };
}

/** Every layer that some pin keeps. @throws ClipctlError STORAGE_* */
export async function pinnedLayers(cacheDir: string): Promise<Set<ContentHash>> {
  return new Set((await readPins(cacheDir)).flatMap(({ diffIds }) => diffIds.map(contentHashOf)));
}

function pinPath(cacheDir: string, name: string): string {
  return join(pinsDirectory(cacheDir), `${createHash('sha256').update(name).digest('hex')}.json`);
}
