/** The space that transfers take and were promised: our own under way, those of other processes, and what is left of stopped ones. */
import { dirname } from 'node:path';
import { leasesDirectory } from './cache-layout.ts';
import type { GrantedBytes } from './granted-bytes.ts';
import { listTransfers, listUnlocked } from './ingest/transfers.ts';
import type { Lease } from './lease.ts';
import { readWanted } from './read-leases.ts';
import { namesIn } from './state-file.ts';
import { usageOf, usageOfEach, type SpaceUsage } from './transfer-usage.ts';

/** A transfer, or what is like one and under no lock, as it is just now. */
export interface SeenTransfer {
  readonly directory: string;
  readonly usage: SpaceUsage;
  readonly promisedBytes: number;
  /** A running process wants the layer: what lies beside it goes when that is committed. */
  readonly isWanted: boolean;
}

/** What is taken besides one transfer. */
export interface OtherTransfers {
  /** By others, and what was promised to our own. */
  readonly takenBytes: number;
  /** Of that, promised and not on disk yet. */
  readonly promisedBytes: number;
  /** By the one. */
  readonly ownLayerBytes: number;
}

/** What other processes may add, as far as it shows without a lock. */
export interface OtherProcesses {
  /** This one among them; some may have ended. */
  readonly processes: number;
  /** To their transfers, and not on disk yet. */
  readonly promisedBytes: number;
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
      theirs.map(async ({ path, layerBytes }) => Math.max(0, (await this.#granted.promisedIn(path)) - layerBytes)),
    );
    const leases = await namesIn(leasesDirectory(this.#cacheDir));
    return { processes: leases.length, promisedBytes: promised.reduce((sum, bytes) => sum + bytes, 0) };
  }

  async #see(directory: string, isTheirs: boolean): Promise<SeenTransfer> {
    const isWanted = isTheirs || this.#granted.isOurs(directory);
    const grantedBytes = isWanted ? await this.#granted.promisedIn(directory) : 0;
    const usage = await usageOf(directory);
    // Without its layer it has just ended: what was promised is there, or will not come.
    const promisedBytes = usage.inode === undefined ? 0 : Math.max(0, grantedBytes - usage.layerBytes);
    return { directory, usage, promisedBytes, isWanted };
  }
}

/** What is taken besides the transfer to `path`; those of `published` inodes are layers by now. */
export function besides(path: string, seen: readonly SeenTransfer[], published: ReadonlySet<number>): OtherTransfers {
  const sum = { takenBytes: 0, promisedBytes: 0, ownLayerBytes: 0 };
  for (const { directory, usage, promisedBytes, isWanted } of seen) {
    if (directory === dirname(path)) sum.ownLayerBytes = usage.layerBytes;
    else if (usage.inode === undefined || !published.has(usage.inode)) {
      sum.takenBytes += promisedBytes + (isWanted ? usage.layerBytes : usage.diskBytes);
      sum.promisedBytes += promisedBytes;
    }
  }
  return sum;
}
