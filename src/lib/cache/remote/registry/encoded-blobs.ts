/** The packed form in a repository: a blob of its own under the tag `clipctl-<hex>.zst`. */
import { createHash } from 'node:crypto';
import { bodyOfBytes } from '../../../http/request-body.ts';
import type { ContentHash, Digest } from '../../../oci/digest.ts';
import type { EncodedContents } from '../../content-cache.ts';
import { gatherPieces } from '../encoded/gather-pieces.ts';
import { remoteReadable } from '../remote-readable.ts';
import type { BlobUpload } from './blob-upload.ts';
import type { LayerArtifacts } from './layer-artifacts.ts';
import { packedBlobInManifest, packedLayerManifest, packedTagOf } from './layer-manifest.ts';

/** One chunk of the upload. */
const UPLOAD_BYTES = 8 * 1024 * 1024;

export function encodedBlobsIn(artifacts: LayerArtifacts): EncodedContents {
  const find = async (hash: ContentHash, signal: AbortSignal) => {
    const text = await artifacts.manifest(packedTagOf(hash), signal);
    return text === undefined ? undefined : packedBlobInManifest(text, hash);
  };
  return {
    memoryBytes: UPLOAD_BYTES,
    exists: async (hash, { signal }) => {
      const blob = await find(hash, signal);
      if (blob === undefined || !(await artifacts.blobExists(blob.digest, signal))) return undefined;
      return { sizeBytes: blob.sizeBytes };
    },
    get: async (hash, { offset, length, signal }) => {
      const blob = await find(hash, signal);
      if (blob === undefined || !(await artifacts.blobExists(blob.digest, signal))) return undefined;
      const { sizeBytes, digest } = blob;
      const start = Math.min(offset, sizeBytes);
      const end = Math.min(start + length, sizeBytes);
      const pieces = artifacts.read(digest, { start, end, sizeBytes }, signal);
      return remoteReadable(pieces, { url: artifacts.url, hash, sizeBytes: end - start, isWhole: false, signal });
    },
    store: async (pieces, hash, { memory, signal }) => {
      await artifacts.clean(signal);
      const sent = await artifacts.upload((upload) => sendPieces(upload, pieces, memory), signal);
      const { digest, sentBytes, chunks } = sent;
      await artifacts.publish(packedTagOf(hash), packedLayerManifest(hash, { digest, sizeBytes: sentBytes }), signal);
      return { sentBytes, chunks };
    },
    delete: async (hash, { signal }) => {
      const text = await artifacts.manifest(packedTagOf(hash), signal);
      if (text === undefined || packedBlobInManifest(text, hash) === undefined) return false;
      return artifacts.delete(packedTagOf(hash), text, signal);
    },
  };
}

interface SentBlob {
  readonly digest: Digest;
  readonly sentBytes: number;
  readonly chunks: number;
}

async function sendPieces(upload: BlobUpload, pieces: AsyncIterable<Uint8Array>, memory: Buffer): Promise<SentBlob> {
  const sha = createHash('sha256');
  let chunks = 0;
  // A chunk is acknowledged before the next one is gathered in the same memory.
  for await (const { bytes } of gatherPieces(pieces, () => Promise.resolve(memory))) {
    sha.update(bytes);
    chunks += 1;
    await upload.append(bodyOfBytes(bytes));
  }
  return { digest: `sha256:${sha.digest('hex')}` as Digest, sentBytes: upload.sentBytes, chunks };
}
