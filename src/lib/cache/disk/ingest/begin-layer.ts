/** A layer from its first byte to its name: room for it, its file, its commit. */
import { join } from 'node:path';
import type { ContentHash } from '../../../oci/digest.ts';
import { swapped } from '../../own-file.ts';
import { isSameIdentity, type FileIdentity } from '../../regular-file.ts';
import { asFarAsPossible } from '../as-far-as-possible.ts';
import type { CacheRoom } from '../cache-room.ts';
import {
  createIngestFile,
  discardIngestFile,
  emptyIngestFile,
  flushIngestFile,
  publishIngestFile,
  suspendIngestFile,
  type CommitOptions,
  type CreatedFile,
  type Durability,
  type IngestFile,
  type IngestWish,
} from '../ingest-file.ts';
import { beginSpool } from './begin-spool.ts';
import type { KeyedTurns } from '../keyed-turns.ts';
import { lookAtLayer } from '../layer-file.ts';
import type { DigestSeen } from '../layer-record.ts';
import type { LayerRecords } from '../layer-records.ts';
import type { LockKind } from '../lock/lock-holder.ts';

const NEVER = new AbortController().signal;

export interface LayerParts {
  readonly cache: {
    readonly room: CacheRoom;
    readonly holdLayers: (hashes: readonly ContentHash[]) => Promise<void>;
    readonly checkLayer: (hash: ContentHash) => Promise<string>;
    readonly dropLayer: (hash: ContentHash) => Promise<void>;
  };
  readonly records: LayerRecords;
  /** Of who works on a layer in this process. */
  readonly turns: KeyedTurns;
  readonly durability: Durability;
  /** Which lock of the layer is held. */
  readonly lockKind: LockKind;
  /** Hashes what stands under the name. */
  readonly vouchFor: (hash: ContentHash, signal: AbortSignal) => Promise<string>;
}

/** @throws ClipctlError STORAGE_* */
export async function beginLayer(cacheDir: string, wish: IngestWish, parts: LayerParts): Promise<IngestFile> {
  const { room } = parts.cache;
  const created = await createIngestFile(cacheDir, wish, parts.lockKind);
  const { path, owner, inode, journal } = created;
  const ended = { signal: wish.signal ?? NEVER };
  const discard = (): Promise<void> => discardIngestFile(created).finally(() => room.end(path));
  const suspend = (): Promise<void> => suspendIngestFile(created, wish.transfer).finally(() => room.end(path));
  const more = (endBytes: number, signal: AbortSignal): Promise<number> =>
    room.grow({ path, endBytes, signal, onRefused: () => emptied(created) });
  const ahead = (endBytes: number): Promise<boolean> =>
    journal === undefined ? Promise.resolve(false) : room.growBeside({ path: journal.aheadPath, endBytes, ...ended });
  let grantedBytes: number;
  let isSpooled = false;
  try {
    grantedBytes = await room.begin(path, wish);
    if (journal !== undefined && wish.spoolBytes !== undefined) {
      const spool = { path: journal.spoolPath, endBytes: wish.spoolBytes, ...ended };
      isSpooled = await beginSpool(journal, () => room.growBeside(spool));
    }
  } catch (error) {
    await suspend();
    throw error;
  }
  return {
    ...{ path, owner, inode, ...(journal && { journal: { ...journal, isSpooled } }) },
    durability: parts.durability,
    growth: { grantedBytes, more, ahead },
    commit: (hash, options) => parts.turns.run(hash, () => commit({ cacheDir, created, parts }, hash, options)),
    discard,
    suspend,
  };
}

function emptied(created: CreatedFile): Promise<void> {
  return asFarAsPossible(() => emptyIngestFile(created));
}

interface BegunLayer {
  readonly cacheDir: string;
  readonly created: CreatedFile;
  readonly parts: LayerParts;
}

async function commit({ cacheDir, created, parts }: BegunLayer, hash: ContentHash, options: CommitOptions): Promise<void> {
  const { cache, durability, records } = parts;
  const { path } = created;
  const { digestSeen, signal } = options;
  const identity = await flushIngestFile(created, hash, { sizeBytes: options.sizeBytes, durability });
  signal.throwIfAborted();
  await cache.room.complete({ path, endBytes: options.sizeBytes, signal, onRefused: () => emptied(created) });
  await cache.holdLayers([hash]);
  const outcome = await publish({ cacheDir, created, parts }, hash, { identity, digestSeen });
  if (outcome === 'kept' && digestSeen !== undefined) await records.addDigest(hash, digestSeen);
  await discardIngestFile(created);
  await cache.room.end(path, outcome === 'published' ? identity.sizeBytes : 0);
  const known = await cache.checkLayer(hash);
  // Two processes that replace one file at once may leave the record of the one beside the file of the other.
  const state = known === 'unverified' ? await parts.vouchFor(hash, signal) : known;
  // Another user of a shared cache swapped the name that was made visible.
  if (state === 'bad') await cache.dropLayer(hash).then(() => Promise.reject(swapped(path)));
  await cache.room.settle({ signal });
}

interface Vouched {
  readonly identity: FileIdentity;
  readonly digestSeen: DigestSeen | undefined;
}

/** The record comes first: whenever this process is killed, what has the name has a record. */
async function publish(
  { cacheDir, created, parts }: BegunLayer,
  hash: ContentHash,
  { identity, digestSeen }: Vouched,
): Promise<'published' | 'kept'> {
  const { cache, durability, records } = parts;
  const finalPath = join(cacheDir, hash);
  const isThere = async (): Promise<boolean> => (await cache.checkLayer(hash)) === 'verified';
  const takeBack = (await isThere()) ? undefined : await records.vouch(hash, identity, digestSeen);
  try {
    const outcome = await publishIngestFile(created, finalPath, { isTheirsGood: isThere, durability });
    // What was there a moment ago has gone.
    if (outcome === 'published' && takeBack === undefined) await records.vouch(hash, identity, digestSeen);
    return outcome;
  } catch (error) {
    const found = await lookAtLayer(finalPath);
    if (typeof found !== 'object' || !isSameIdentity(found, identity)) await takeBack?.();
    throw error;
  }
}
