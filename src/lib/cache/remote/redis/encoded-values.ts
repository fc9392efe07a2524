/** The packed form in Redis: as the plain one, under the name `<hex>.zst`. */
import type { ContentHash } from '../../../oci/digest.ts';
import type { EncodedContents } from '../../content-cache.ts';
import { remoteReadable } from '../remote-readable.ts';
import type { RedisContents } from './redis-contents.ts';
import { manifestOf } from './redis-keys.ts';

export function encodedValuesIn(contents: RedisContents, url: string): EncodedContents {
  const nameOf = (hash: ContentHash): string => `${hash}.zst`;
  return {
    // Pieces on their way are only tried for.
    memoryBytes: 0,
    exists: async (hash, { signal }) => {
      const manifest = await contents.find(nameOf(hash), signal);
      return manifest === undefined ? undefined : { sizeBytes: manifest.sizeBytes };
    },
    get: async (hash, { offset, length, signal }) => {
      const name = nameOf(hash);
      const manifest = await contents.find(name, signal);
      if (manifest === undefined) return undefined;
      const start = Math.min(offset, manifest.sizeBytes);
      const end = Math.min(start + length, manifest.sizeBytes);
      const pieces = contents.read({ hash, name, manifest, start, end, signal });
      return remoteReadable(pieces, { url, hash, sizeBytes: end - start, isWhole: false, signal });
    },
    store: async (pieces, hash, { signal }) => {
      const sentBytes = await contents.store(nameOf(hash), pieces, signal);
      return { sentBytes, chunks: manifestOf(sentBytes).chunks };
    },
    delete: (hash, { signal }) => contents.delete(nameOf(hash), signal),
  };
}
