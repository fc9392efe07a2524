/** What transfers take in disk blocks. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskBytesOf, usageOfTree } from './disk-usage.ts';
import { BOOKED_FILES, TRANSFER_FILES, type BookedFile, type Transfer } from './ingest/transfers.ts';

export interface SpaceUsage {
  /** All its files. */
  readonly diskBytes: number;
  /** Of the layer alone. */
  readonly layerBytes: number;
  /** What is free once it has gone: not the layer, when that has its final name too. */
  readonly freeableBytes: number;
  /** Of each that is there. */
  readonly fileBytes: ReadonlyMap<BookedFile, number>;
  /** When the layer last grew. */
  readonly modifiedMs: number;
  /** Of the layer's file. */
  readonly inode: number | undefined;
}

/** A transfer under a lock. */
export interface TransferUsage extends Transfer, SpaceUsage {}

export async function usageOf(directory: string): Promise<SpaceUsage> {
  const all = BOOKED_FILES.map((name) => lstat(join(directory, TRANSFER_FILES[name])).catch(() => undefined));
  const [layer, ...beside] = await Promise.all(all);
  const there = [layer, ...beside].flatMap((stats, at) => {
    const name = BOOKED_FILES[at];
    return stats === undefined || name === undefined ? [] : [[name, diskBytesOf(stats)] as const];
  });
  const fileBytes = new Map(there);
  const { diskBytes } = await usageOfTree(directory);
  const layerBytes = fileBytes.get('layer') ?? 0;
  return {
    diskBytes,
    layerBytes,
    freeableBytes: (layer?.nlink ?? 1) === 1 ? diskBytes : diskBytes - layerBytes,
    fileBytes,
    modifiedMs: layer?.mtimeMs ?? 0,
    inode: layer?.ino,
  };
}

export function usageOfEach(transfers: readonly Transfer[]): Promise<TransferUsage[]> {
  return Promise.all(transfers.map(async (transfer) => ({ ...transfer, ...(await usageOf(transfer.path)) })));
}

/** Of what is free once they have gone. */
export function freeableBytesOf(transfers: readonly TransferUsage[]): number {
  return transfers.reduce((sum, { freeableBytes }) => sum + freeableBytes, 0);
}
