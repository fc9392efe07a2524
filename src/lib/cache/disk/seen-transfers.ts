/** The space that transfers take and were promised: our own under way, those of other processes, and what is left of stopped ones. */
import { dirname, join } from 'node:path';
import { leasesDirectory } from './cache-layout.ts';
import { besideBytesOf, layerBytesOf, stillToCome, type GrantedBytes, type Promised } from './granted-bytes.ts';
import { listTransfers, listUnlocked, TRANSFER_FILES, type BookedFile } from './ingest/transfers.ts';
import type { Lease } from './lease.ts';
import { readWanted } from './read-leases.ts';
import type { SpareSpool } from './spare-spools.ts';
import { namesIn } from './state-file.ts';
import { usageOf, usageOfEach, type SpaceUsage } from './transfer-usage.ts';

/** A transfer, or what is like one and under no lock, as it is just now. */
export interface SeenTransfer {
  readonly directory: string;
  readonly usage: SpaceUsage;
  /** And not on disk yet. */
  readonly promised: Promised;
  /** May be given up. */
  readonly spool: SpareSpool | undefined;
  /** A running process wants the layer: what lies beside it goes when that is committed. */
  readonly isWanted: boolean;
}

/** What is taken besides one transfer. */
export interface OtherTransfers {
  /** By others, and what was promised to their layers. */
  readonly takenBytes: number;
  /** Of that, promised and not on disk yet. */
  readonly promisedBytes: number;
  /** Layers that they were promised to. */
  readonly promisedLayers: number;
  /** Promised to what lies beside layers, that of the one among them, and not on disk yet. */
  readonly besideBytes: number;
  /** By the one. */
  readonly ownLayerBytes: number;
  /** In the order in which they are to be given up. */
  readonly spools: readonly SpareSpool[];
}

/** What other processes may add, as far as it shows without a lock. */
export interface OtherProcesses {
  /** This one among them; some may have ended. */
  readonly processes: number;
  /** To layers of theirs, and not on disk yet. */
  readonly promisedBytes: number;
  /** To what lies beside those. */
  readonly besideBytes: number;
}

export class SeenTransfers {
  readonly #cacheDir: string;
  readonly #granted: GrantedBytes;
  readonly #lease: Lease;

  constructor(cacheDir: string, { granted, lease }: { readonly granted: GrantedBytes; readonly lease: Lease }) {
    this.#cacheDir = cacheDir;
    this.#granted = granted;
    this.#lease = lease;
  }

  /** All of them: look before the layers are counted, or one that gets its name meanwhile is missed. @throws ClipctlError STORAGE_* */
  async all(): Promise<SeenTransfer[]> {
    const wanted = await readWanted(this.#cacheDir, this.#lease);
    const listed = await listTransfers(this.#cacheDir);
    const unlocked = await listUnlocked(this.#cacheDir);
    return Promise.all([
      ...listed.map(({ hash, path }) => this.#see(path, wanted.has(hash))),
      ...unlocked.map((path) => this.#see(path, false)),
    ]);
  }

  /** @throws ClipctlError STORAGE_* */
  async ofOtherProcesses(): Promise<OtherProcesses> {
    const listed = await listTransfers(this.#cacheDir);
    const theirs = await usageOfEach(listed.filter(({ path }) => !this.#granted.isOurs(path)));
    const promised = await Promise.all(
      theirs.map(async (usage) => stillToCome(await this.#granted.promisedIn(usage.path), usage)),
    );
    const leases = await namesIn(leasesDirectory(this.#cacheDir));
    return {
      processes: leases.length,
      promisedBytes: sumOf(promised.map(layerBytesOf)),
      besideBytes: sumOf(promised.map(besideBytesOf)),
    };
  }

  async #see(directory: string, isTheirs: boolean): Promise<SeenTransfer> {
    const isWanted = isTheirs || this.#granted.isOurs(directory);
    const granted = isWanted ? await this.#granted.promisedIn(directory) : new Map<BookedFile, number>();
    const usage = await usageOf(directory);
    const promised = stillToCome(granted, usage);
    const spoolBytes = (usage.fileBytes.get('spool') ?? 0) + (promised.get('spool') ?? 0);
    const spool =
      granted.has('spool') && spoolBytes > 0 ? { path: join(directory, TRANSFER_FILES.spool), bytes: spoolBytes } : undefined;
    return { directory, usage, promised, spool, isWanted };
  }
}

/** What is taken besides the transfer to `path`; those of `published` inodes are layers by now. */
export function besides(path: string, seen: readonly SeenTransfer[], published: ReadonlySet<number>): OtherTransfers {
  const sum = { takenBytes: 0, promisedBytes: 0, promisedLayers: 0, besideBytes: 0, ownLayerBytes: 0 };
  for (const { directory, usage, promised, isWanted } of seen) {
    sum.besideBytes += besideBytesOf(promised);
    if (directory === dirname(path)) sum.ownLayerBytes = usage.layerBytes;
    else if (usage.inode === undefined || !published.has(usage.inode)) {
      sum.takenBytes += layerBytesOf(promised) + (isWanted ? usage.layerBytes : usage.diskBytes);
      sum.promisedBytes += layerBytesOf(promised);
      if (layerBytesOf(promised) > 0) sum.promisedLayers += 1;
    }
  }
  return { ...sum, spools: spoolsFor(path, seen) };
}

/** All that is promised and not on disk yet, but for the file of a transfer at `path`. */
export function promisedBesides(path: string, seen: readonly SeenTransfer[]): number {
  const promises = seen.flatMap(({ directory, promised }) =>
    [...promised].map(([name, bytes]) => ({ at: join(directory, name), bytes })),
  );
  return sumOf(promises.filter(({ at }) => at !== path).map(({ bytes }) => bytes));
}

/** First that of the layer itself: nobody else loses anything. */
function spoolsFor(path: string, seen: readonly SeenTransfer[]): SpareSpool[] {
  const isOwn = (spool: SpareSpool): boolean => dirname(spool.path) === dirname(path);
  const found = seen.flatMap(({ spool }) => spool ?? []);
  return found.toSorted((one, other) => Number(isOwn(other)) - Number(isOwn(one)) || other.bytes - one.bytes);
}

function sumOf(bytes: readonly number[]): number {
  return bytes.reduce((sum, each) => sum + each, 0);
}
