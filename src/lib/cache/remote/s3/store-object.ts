/** Storing content: one PUT for what fits into a part, else a multipart upload. Both become visible whole or not at all. */
import type { ContentHash } from '../../../oci/digest.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type { StoreOptions, StoreResult } from '../../content-cache.ts';
import { isTaken, type ConditionalCreate } from './conditional-create.ts';
import type { Condition, ContentToStore, Create } from './content-to-store.ts';
import { hashParts, type HashedPart } from './hashed-parts.ts';
import { uploadParts } from './multipart-upload.ts';
import { PieceBody } from './piece-body.ts';
import { keyOf } from './s3-address.ts';
import type { S3Requests } from './s3-requests.ts';
import { withPayloadHash } from './payload-hash.ts';
import { sizeOfObject } from './read-object.ts';

export interface StoreTarget {
  readonly requests: S3Requests;
  readonly conditional: ConditionalCreate;
  readonly partsAtOnce: number;
}

/** Of no bytes. */
const EMPTY_SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const SKIPPED: StoreResult = { sentBytes: 0, chunks: 0, skipped: true };

export interface ObjectToStore extends Omit<StoreOptions, 'sizeBytes'> {
  readonly hash: ContentHash;
  /** `undefined`: only the end of the source tells. */
  readonly sizeBytes: number | undefined;
}

/** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, what the source throws, and what S3Requests.run throws */
export async function storeObject(
  { requests, conditional, partsAtOnce }: StoreTarget,
  source: ChunkSource,
  { hash, sizeBytes, signal, replace = false }: ObjectToStore,
): Promise<StoreResult> {
  const isOurs = (foundBytes: number | undefined): boolean =>
    foundBytes !== undefined && foundBytes === (sizeBytes ?? foundBytes);
  const standing = await sizeOfObject(requests, hash, signal);
  if (!replace && isOurs(standing)) return SKIPPED;
  // What stands there and is not skipped is wrong: it is replaced.
  const create: Create = standing === undefined ? (run) => conditional.run(run) : (run) => run({});
  const content: ContentToStore = {
    name: hash,
    key: keyOf(requests.address, hash),
    metadata: { sha256: hash },
    signal,
    partsAtOnce,
    create,
  };
  const parts = hashParts(source, { hash, sizeBytes, signal });
  try {
    return await sendObject(requests, content, parts);
  } catch (error) {
    if (isTaken(error) && isOurs(await sizeOfObject(requests, hash, signal))) return SKIPPED;
    throw error;
  } finally {
    await parts.return();
  }
}

/** What nobody may have half: one PUT where all fits into the first part. @throws as storeObject does */
export async function sendObject(
  requests: S3Requests,
  content: ContentToStore,
  parts: AsyncGenerator<HashedPart, void, undefined>,
): Promise<StoreResult> {
  const first = await parts.next();
  if (first.done === true) return putObject(requests, content, undefined);
  if (first.value.isLast) return putObject(requests, content, first.value);
  return uploadParts(requests, content, resumed(first.value, parts));
}

async function* resumed(first: HashedPart, rest: AsyncIterable<HashedPart>): AsyncGenerator<HashedPart, void, undefined> {
  yield first;
  yield* rest;
}

async function putObject(requests: S3Requests, content: ContentToStore, part: HashedPart | undefined): Promise<StoreResult> {
  const { key, metadata, signal, create } = content;
  const sizeBytes = part?.length ?? 0;
  const send = (condition: Condition): Promise<unknown> =>
    requests.run({
      operation: 'PutObject',
      signal,
      send: ({ sdk, client }) => {
        const command = new sdk.PutObjectCommand({
          Bucket: requests.address.bucket,
          Key: key,
          Body: part === undefined ? '' : new PieceBody({ sizeBytes, open: () => part.stream() }),
          ContentLength: sizeBytes,
          ContentType: 'application/octet-stream',
          Metadata: metadata,
          ...condition,
        });
        return client.send(withPayloadHash(command, part?.sha256 ?? EMPTY_SHA256), { abortSignal: signal });
      },
    });
  try {
    await create(send);
  } finally {
    part?.release();
  }
  return { sentBytes: sizeBytes, chunks: part === undefined ? 0 : 1, skipped: false };
}
