/** Which layers are verified: the records on disk, and what this process has verified in a directory it can't write. */
import { ClipctlError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';
import { isSameIdentity, type FileIdentity } from '../regular-file.ts';
import {
  readLayerRecord,
  removeLayerRecord,
  touchLayerRecord,
  withDigest,
  writeLayerRecord,
  type DigestSeen,
} from './layer-record.ts';

export class LayerRecords {
  readonly #directory: string;
  readonly #verifiedHere = new Map<ContentHash, FileIdentity>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** True when `found` is the file that was verified. @throws ClipctlError STORAGE_* */
  async isVerified(hash: ContentHash, found: FileIdentity): Promise<boolean> {
    const here = this.#verifiedHere.get(hash);
    if (here !== undefined && isSameIdentity(here, found)) return true;
    const record = await readLayerRecord(this.#directory, hash);
    return record !== undefined && isSameIdentity(record.identity, found);
  }

  /** Vouches for a file that was just committed. @throws ClipctlError STORAGE_* */
  async write(hash: ContentHash, identity: FileIdentity, digestSeen?: DigestSeen): Promise<void> {
    const before = await readLayerRecord(this.#directory, hash);
    const digestsSeen = withDigest(before?.digestsSeen ?? [], digestSeen);
    await writeLayerRecord(this.#directory, hash, { identity, digestsSeen, committedAtMs: Date.now() });
  }

  /** Vouches for a file that somebody else wrote; in a directory that can't be written, for this process only. */
  async adopt(hash: ContentHash, identity: FileIdentity, prepare: () => Promise<void>): Promise<void> {
    this.#verifiedHere.set(hash, identity);
    await unlessDenied(async () => {
      await prepare();
      await this.write(hash, identity);
    });
  }

  /** Takes back that the file is verified. @throws ClipctlError STORAGE_ERROR */
  async disown(hash: ContentHash): Promise<void> {
    this.#verifiedHere.delete(hash);
    await unlessDenied(() => removeLayerRecord(this.#directory, hash));
  }

  /** Does nothing when no record stands, or when it can't be written. @throws ClipctlError STORAGE_ERROR, STORAGE_FULL */
  async addDigest(hash: ContentHash, added: DigestSeen): Promise<void> {
    const record = await readLayerRecord(this.#directory, hash);
    if (record === undefined || record.digestsSeen.some(({ digest }) => digest === added.digest)) return;
    const digestsSeen = withDigest(record.digestsSeen, added);
    await unlessDenied(() => writeLayerRecord(this.#directory, hash, { ...record, digestsSeen }));
  }

  /** @throws ClipctlError STORAGE_* */
  async digestsOf(hash: ContentHash): Promise<readonly DigestSeen[]> {
    return (await readLayerRecord(this.#directory, hash))?.digestsSeen ?? [];
  }

  /** @throws ClipctlError STORAGE_ERROR */
  touch(hash: ContentHash): Promise<void> {
    return touchLayerRecord(this.#directory, hash);
  }
}

/** What only saves work is left out where the directory may be read but not written. */
async function unlessDenied(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ClipctlError) || error.code !== 'STORAGE_DENIED') throw error;
  }
}
