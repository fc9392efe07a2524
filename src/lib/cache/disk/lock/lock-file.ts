import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { errnoOf } from '../../../errno.ts';

/** The holder before us takes the name away while it holds the lock: who locked that file has locked nothing. */
export async function isStill(path: string, locked: Stats): Promise<boolean> {
  try {
    return (await stat(path)).ino === locked.ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
