/** Which layers are verified: the records on disk, and what this process has verified in a directory it can't write. */
import type { ContentHash } from '../../oci/digest.ts';
import { isSameIdentity, type FileIdentity } from '../regular-file.ts';
import {
  readLayerRecord,
  removeLayerRecord,
  touchLayerRecord,
  withDigest,
  WRONG,
  writeLayerRecord,
  type DigestSeen,
  type StoredLayerRecord,
} from './layer-record.ts';
import { unlessUnwritable } from './state-file.ts';
import type { UseClock } from './use-clock.ts';

/** A busy reader shall not write at each read. */
const TOUCH_EVERY_MS = 60_000;

export class LayerRecords {
  readonly #directory: string;
  readonly #clock: UseClock;
  readonly #touched = new Map<ContentHash, number>();
  readonly #verifiedHere = new Map<ContentHash, FileIdentity>();

  constructor(directory: string, clock: UseClock) {
    this.#directory = directory;
    this.#clock = clock;
  }

  /** True when `found` is the file that was verified. @throws ClipctlError STORAGE_* */
  async isVerified(hash: ContentHash, found: FileIdentity): Promise<boolean> {
    const here = this.#verifiedHere.get(hash);
    if (here !== undefined && isSameIdentity(here, found)) return true;
    const record = await readLayerRecord(this.#directory, hash);
    return record !== undefined && isSameIdentity(record.identity, found);
  }

  /**
   * Notes a use of `found`, which has the content `hash`, when it is the file that was verified; false when it is not.
   * `newForm`: it was not seen in the compressed form `seen` before, which is for the caller to note.
   * @throws ClipctlError STORAGE_*
   */
  async use(hash: ContentHash, found: FileIdentity, seen: DigestSeen): Promise<'used' | 'newForm' | false> {
    const record = await readLayerRecord(this.#directory, hash);
    const vouched = [this.#verifiedHere.get(hash), record?.identity];
    if (!vouched.some((identity) => identity !== undefined && isSameIdentity(identity, found))) return false;
    if (record === undefined) return 'used';
    await this.#touchRecord(hash);
    return record.digestsSeen.some(({ digest }) => digest === seen.digest) ? 'used' : 'newForm';
  }

  /**
   * Vouches for a file that is about to get its name: one that has it, and no record, would be nobody's should this process be
   * killed. Gives what takes that back, unless another file is vouched for by then. @throws ClipctlError STORAGE_*
   */
  async vouch(hash: ContentHash, identity: FileIdentity, digestSeen?: DigestSeen): Promise<() => Promise<void>> {
    const before = await this.#write(hash, identity, digestSeen);
    return async () => {
      const now = await readLayerRecord(this.#directory, hash);
      if (now === undefined || !isSameIdentity(now.identity, identity)) return;
      if (before === undefined) await removeLayerRecord(this.#directory, hash);
      else await writeLayerRecord(this.#directory, hash, before);
    };
  }

  /** Vouches for a file that somebody else wrote; in a directory that can't be written, for this process only. */
  async adopt(hash: ContentHash, identity: FileIdentity, prepare: () => Promise<void>): Promise<void> {
    this.#verifiedHere.set(hash, identity);
    await unlessUnwritable(async () => {
      await prepare();
      await this.#write(hash, identity);
    });
  }

  /** The file is wrong: nobody vouches for it, and it stays known as one of ours. @throws ClipctlError STORAGE_ERROR */
  async distrust(hash: ContentHash): Promise<void> {
    this.#verifiedHere.delete(hash);
    const record = await readLayerRecord(this.#directory, hash);
    if (record === undefined) return;
    await unlessUnwritable(() => writeLayerRecord(this.#directory, hash, { ...record, identity: WRONG }));
  }

  /** Forgets the layer. @throws ClipctlError STORAGE_ERROR */
  async disown(hash: ContentHash): Promise<void> {
    this.#verifiedHere.delete(hash);
    await unlessUnwritable(() => removeLayerRecord(this.#directory, hash));
  }

  /** Does nothing when no record stands, or when it can't be written. @throws ClipctlError STORAGE_ERROR, STORAGE_FULL */
  async addDigest(hash: ContentHash, added: DigestSeen): Promise<void> {
    const record = await readLayerRecord(this.#directory, hash);
    if (record === undefined || record.digestsSeen.some(({ digest }) => digest === added.digest)) return;
    const digestsSeen = withDigest(record.digestsSeen, added);
    const lastUseMs = await this.#clock.tick();
    await unlessUnwritable(() => writeLayerRecord(this.#directory, hash, { ...record, digestsSeen, lastUseMs }));
  }

  /** @throws ClipctlError STORAGE_* */
  async digestsOf(hash: ContentHash): Promise<readonly DigestSeen[]> {
    return (await readLayerRecord(this.#directory, hash))?.digestsSeen ?? [];
  }

  /** Notes a use, for each layer at most once a minute. @throws ClipctlError STORAGE_ERROR, STORAGE_FULL */
  async touch(hash: ContentHash): Promise<void> {
    if (this.#isTouched(hash) || (await readLayerRecord(this.#directory, hash)) === undefined) return;
    await this.#touchRecord(hash);
  }

  /** Gives what stood there. */
  async #write(hash: ContentHash, identity: FileIdentity, digestSeen?: DigestSeen): Promise<StoredLayerRecord | undefined> {
    const before = await readLayerRecord(this.#directory, hash);
    const digestsSeen = withDigest(before?.digestsSeen ?? [], digestSeen);
    const lastUseMs = await this.#clock.tick();
    await writeLayerRecord(this.#directory, hash, { identity, digestsSeen, committedAtMs: Date.now(), lastUseMs });
    return before;
  }

  #isTouched(hash: ContentHash): boolean {
    const last = this.#touched.get(hash);
    return last !== undefined && performance.now() - last < TOUCH_EVERY_MS;
  }

  async #touchRecord(hash: ContentHash): Promise<void> {
    if (this.#isTouched(hash)) return;
    this.#touched.set(hash, performance.now());
    await touchLayerRecord(this.#directory, hash, await this.#clock.tick());
  }
}
