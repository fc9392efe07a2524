/** Storing content: one PUT for what fits into a part, else a multipart upload. Both become visible whole or not at all. */
import type { ContentHash } from '../../../oci/digest.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type { StoreOptions, StoreResult } from '../../content-cache.ts';
import { isTaken, type ConditionalCreate } from './conditional-create.ts';
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
}

const SKIPPED: StoreResult = { sentBytes: 0, chunks: 0, skipped: true };

/** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH, what the source throws, and what S3Requests.run throws */
export async function storeObject(
  { requests, conditional }: StoreTarget,
  source: ChunkSource,
  { hash, sizeBytes, signal }: StoreOptions & { readonly hash: ContentHash },
): Promise<StoreResult> {
  const key = keyOf(requests.address, hash);
  const standing = await sizeOfObject(requests, hash, signal);
  if (standing === sizeBytes) return SKIPPED;
  // What has the wrong size is nobody's content: it is replaced.
  const create: Create = standing === undefined ? (run) => conditional.run(run) : (run) => run({});
  const content: ContentToStore = { key, hash, sizeBytes, signal, create };
  const parts = hashParts(source, { hash, sizeBytes, signal });
  try {
    const first = await parts.next();
    if (first.done === true) await putObject(requests, content, undefined);
    else if (first.value.isLast) await putObject(requests, content, first.value);
    else
      return { sentBytes: sizeBytes, chunks: await uploadParts(requests, content, resumed(first.value, parts)), skipped: false };
    return { sentBytes: sizeBytes, chunks: first.done === true ? 0 : 1, skipped: false };
  } catch (error) {
    if (isTaken(error) && (await sizeOfObject(requests, hash, signal)) === sizeBytes) return SKIPPED;
    throw error;
  } finally {
    await parts.return();
  }
}

type Create = <T>(run: (condition: { readonly IfNoneMatch?: string }) => Promise<T>) => Promise<T>;

export interface ContentToStore {
  readonly key: string;
  readonly hash: ContentHash;
  readonly sizeBytes: number;
  readonly signal: AbortSignal;
  /** Runs the request that makes the content visible, only when absent if the server can. */
  readonly create: Create;
}

async function* resumed(first: HashedPart, rest: AsyncIterable<HashedPart>): AsyncGenerator<HashedPart, void, undefined> {
  yield first;
  yield* rest;
}

async function putObject(requests: S3Requests, content: ContentToStore, part: HashedPart | undefined): Promise<void> {
  const { key, hash, signal, create } = content;
  await create((condition) =>
    requests.run({
      operation: 'PutObject',
      signal,
      send: ({ sdk, client }) => {
        const command = new sdk.PutObjectCommand({
          Bucket: requests.address.bucket,
          Key: key,
          Body: part === undefined ? '' : new PieceBody(() => part.stream()),
          ContentLength: part?.length ?? 0,
          ContentType: 'application/octet-stream',
          Metadata: { sha256: hash },
          ...condition,
        });
        return client.send(withPayloadHash(command, part?.sha256 ?? hash), { abortSignal: signal });
      },
    }),
  );
}
