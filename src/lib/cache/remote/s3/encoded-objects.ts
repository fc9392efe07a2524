/** The packed form in a bucket: `<prefix>/<hex>.zst`, by one PUT or in parts, visible when it is complete. */
import type { ContentHash } from '../../../oci/digest.ts';
import type { EncodedContents } from '../../content-cache.ts';
import type { Condition } from './content-to-store.ts';
import { deleteObject } from './delete-object.ts';
import { MAX_PACKED_BYTES, PACKED_PARTS_BYTES, packedParts, PARTS_IN_MEMORY } from './packed-parts.ts';
import { readObjectRange, sizeOfObject } from './read-object.ts';
import { keyOf } from './s3-address.ts';
import type { S3Requests } from './s3-requests.ts';
import { sendObject } from './store-object.ts';

/** @param clean what has to be done before uploads are opened */
export function encodedObjectsIn(requests: S3Requests, clean: (signal: AbortSignal) => Promise<void>): EncodedContents {
  const nameOf = (hash: ContentHash): string => `${hash}.zst`;
  return {
    memoryBytes: PACKED_PARTS_BYTES,
    maxStoredBytes: MAX_PACKED_BYTES,
    exists: async (hash, { signal }) => {
      const sizeBytes = await sizeOfObject(requests, nameOf(hash), signal);
      return sizeBytes === undefined ? undefined : { sizeBytes };
    },
    get: (hash, range) => readObjectRange(requests, nameOf(hash), range),
    store: async (pieces, hash, { memory, signal }) => {
      await clean(signal);
      const name = nameOf(hash);
      const parts = packedParts(pieces, memory);
      // The hash of the content, not of the object.
      const metadata = { 'content-sha256': hash };
      const create = <T>(run: (condition: Condition) => Promise<T>): Promise<T> => run({});
      const object = { name, key: keyOf(requests.address, name), metadata, signal, partsAtOnce: PARTS_IN_MEMORY, create };
      try {
        return await sendObject(requests, object, parts);
      } finally {
        await parts.return();
      }
    },
    delete: (hash, { signal }) => deleteObject(requests, nameOf(hash), signal),
  };
}
