/**
 * Compressed bytes that running transfers keep only so that another process could go on with them: they are given up for a
 * layer that does not fit otherwise. Their writer, in whatever process, sees that they are gone, and goes on without.
 */
import { constants } from 'node:fs';
import { openOwn, removeOwn } from '../own-file.ts';
import { asFarAsPossible } from './as-far-as-possible.ts';

export interface SpareSpool {
  readonly path: string;
  /** On disk, and promised. */
  readonly bytes: number;
}

export function spareBytesOf(spools: readonly SpareSpool[]): number {
  return spools.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Gives up as many as have to go. Gives the bytes that are for others now. */
export async function giveUpSpools(spools: readonly SpareSpool[], neededBytes: number): Promise<number> {
  let goneBytes = 0;
  for (const { path, bytes } of spools) {
    if (goneBytes >= neededBytes) break;
    // One that can't be removed (another user's, in a shared cache) keeps nobody from the others.
    await asFarAsPossible(async () => {
      await giveUp(path);
      goneBytes += bytes;
    });
  }
  return goneBytes;
}

async function giveUp(path: string): Promise<void> {
  const owner = process.geteuid?.();
  const handle = await openOwn({ path, ...(owner !== undefined && { owner }) }, constants.O_WRONLY);
  try {
    // First: nobody goes on with what was emptied.
    await removeOwn(path);
    // Its writer may wait for the very room, and holds it open meanwhile.
    await handle.truncate(0);
  } finally {
    await handle.close();
  }
}
