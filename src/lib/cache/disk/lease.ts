/**
 * The lease of this process on the layers it reads or warms: nobody evicts them until it ends. One file that lines are
 * appended to, so that taking a lease costs one small write; a blank line is a heartbeat.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { directoryModeOf, leasesDirectory, ownDirectory } from './cache-layout.ts';
import { errnoOf } from '../../errno.ts';
import { giveToGroup, READ_BY_GROUP } from '../group-access.ts';
import { makeOneDirectory } from '../make-directory.ts';
import { identifyOurselves } from './process-identity.ts';
import { removeStateFile, unlessUnwritable } from './state-file.ts';

export const LEASE_VERSION = 1;
export const HEARTBEAT_MS = 15_000;

export class Lease {
  readonly #cacheDir: string;
  readonly #held = new Set<ContentHash>();
  readonly #unwritten: ContentHash[] = [];
  #path: string | undefined;
  #beat: NodeJS.Timeout | undefined;
  #queue: Promise<void> = Promise.resolve();

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
  }

  /** What this process has taken so far. */
  get held(): ReadonlySet<ContentHash> {
    return this.#held;
  }

  /**
   * Returns when the lease stands on disk: look for the layer only then. In a directory that can't be written nobody
   * evicts as we are, and the lease is ours to remember alone.
   * @throws ClipctlError STORAGE_FULL, STORAGE_ERROR
   */
  async hold(...hashes: readonly ContentHash[]): Promise<void> {
    for (const hash of hashes) {
      if (!this.#held.has(hash)) this.#unwritten.push(hash);
      this.#held.add(hash);
    }
    this.#queue = this.#queue.catch(() => undefined).then(() => this.#write());
    await this.#queue;
  }

  /** Gives all back. */
  async release(): Promise<void> {
    await this.#queue.catch(() => undefined);
    clearInterval(this.#beat);
    this.#held.clear();
    this.#unwritten.length = 0;
    const path = this.#path;
    this.#path = undefined;
    if (path !== undefined) await unlessUnwritable(() => removeStateFile(path));
  }

  async #write(): Promise<void> {
    if (this.#unwritten.length === 0) return;
    const lines = this.#unwritten.splice(0);
    await unlessUnwritable(async () => {
      try {
        this.#path ??= await this.#create();
        if (this.#path === undefined) this.#unwritten.push(...lines);
        else if (!(await append(this.#path, { text: linesOf(lines), flags: APPEND }))) await this.#renew();
      } catch (error) {
        throw storageError(error, leasesDirectory(this.#cacheDir), 'take a lease in');
      }
    });
  }

  /** Somebody has taken the lease for one of a process that has ended. */
  async #renew(): Promise<void> {
    clearInterval(this.#beat);
    this.#path = await this.#create();
    if (this.#path !== undefined) await append(this.#path, { text: linesOf([...this.#held]), flags: APPEND });
  }

  /** `undefined` while there is no cache directory: a look at one that is missing must not make it. */
  async #create(): Promise<string | undefined> {
    const name = `${process.pid}-${randomBytes(8).toString('hex')}.lease`;
    const pathNow = (): string => join(leasesDirectory(this.#cacheDir), name);
    const text = `${JSON.stringify({ version: LEASE_VERSION, ...(await identifyOurselves()) })}\n`;
    const create = { text, flags: APPEND | constants.O_CREAT | constants.O_EXCL };
    const isThere =
      (await append(pathNow(), create)) || ((await makeLeases(this.#cacheDir)) && (await append(pathNow(), create)));
    if (!isThere) return undefined;
    const path = pathNow();
    this.#beat = setInterval(() => {
      // One that fails is like one that came late: the next says the same.
      append(path, { text: '\n', flags: APPEND }).catch(() => undefined);
    }, HEARTBEAT_MS).unref();
    return path;
  }
}

function linesOf(hashes: readonly ContentHash[]): string {
  return hashes.map((hash) => `${hash}\n`).join('');
}

const APPEND = constants.O_WRONLY | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** False when the file, or with O_CREAT its directory, is missing. */
async function append(path: string, { text, flags }: { readonly text: string; readonly flags: number }): Promise<boolean> {
  try {
    const handle = await open(path, flags, 0o644);
    try {
      if ((flags & constants.O_CREAT) !== 0) await giveToGroup(handle, path, READ_BY_GROUP);
      await handle.appendFile(text);
    } catch (error) {
      // Without the line that says whose it is, nobody could tell when it has ended.
      if ((flags & constants.O_CREAT) !== 0) await rm(path, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Of a cache directory from before there were leases. False where there is none. */
async function makeLeases(cacheDir: string): Promise<boolean> {
  try {
    await makeOneDirectory(join(ownDirectory(cacheDir), 'leases'), await directoryModeOf(cacheDir));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
