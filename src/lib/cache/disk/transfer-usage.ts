/** What transfers take in disk blocks. */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { diskBytesOf, usageOfTree } from './disk-usage.ts';
import { TRANSFER_FILES, type Transfer } from './ingest/transfers.ts';

export interface SpaceUsage {
  /** All its files. */
  readonly diskBytes: number;
  /** Of the layer alone. */
  readonly layerBytes: number;
  /** What is free once it has gone: not the layer, when that has its final name too. */
  readonly freeableBytes: number;
  /** When the layer last grew. */
  readonly modifiedMs: number;
  /** Of the layer's file. */
  readonly inode: number | undefined;
}

/** A transfer under a lock. */
export interface TransferUsage extends Transfer, SpaceUsage {}

export async function usageOf(directory: string): Promise<SpaceUsage> {
  const layer = await lstat(join(directory, TRANSFER_FILES.layer)).catch(() => undefined);
  const { diskBytes } = await usageOfTree(directory);
  const layerBytes = layer === undefined ? 0 : diskBytesOf(layer);
  return {
    diskBytes,
    layerBytes,
    freeableBytes: (layer?.nlink ?? 1) === 1 ? diskBytes : diskBytes - layerBytes,
    modifiedMs: layer?.mtimeMs ?? 0,
    inode: layer?.ino,
  };
}

export function usageOfEach(transfers: readonly Transfer[]): Promise<TransferUsage[]> {
  return Promise.all(transfers.map(async (transfer) => ({ ...transfer, ...(await usageOf(transfer.path)) })));
}

/** Of what is free once they have gone. */
export function sumOf(transfers: readonly TransferUsage[]): number {
  return transfers.reduce((sum, { freeableBytes }) => sum + freeableBytes, 0);
}
