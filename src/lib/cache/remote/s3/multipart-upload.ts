/**
 * A multipart upload: a few parts at once, each signed by its hash, completed only when size and hash of the whole held.
 * Whatever happens, it is completed or aborted; a kill in between is mended by its note.
 */
import { ClipctlError, isAbort } from '../../../errors.ts';
import type { StoreResult } from '../../content-cache.ts';
import { abortAbandonedUploads, tryNoteUpload } from '../abandoned-uploads.ts';
import { dropNote, touchNote } from '../upload-notes.ts';
import { reasonOf, statusOf } from './s3-failure.ts';
import type { Condition, ContentToStore } from './content-to-store.ts';
import type { HashedPart } from './hashed-parts.ts';
import { placeOfUploads, S3_NOTES } from './noted-upload.ts';
import { PieceBody } from './piece-body.ts';
import { withPayloadHash } from './payload-hash.ts';
import { sizeOfObject } from './read-object.ts';
import type { S3Requests } from './s3-requests.ts';

/** A run that was interrupted must end soon. */
const ABORT_PATIENCE_MS = 2_000;

interface SentPart {
  readonly PartNumber: number;
  readonly ETag: string;
  readonly sizeBytes: number;
}

function bytesOf(parts: readonly SentPart[]): number {
  return parts.reduce((sum, part) => sum + part.sizeBytes, 0);
}

/** @throws ClipctlError; nothing is visible then */
export async function uploadParts(
  requests: S3Requests,
  content: ContentToStore,
  parts: AsyncIterable<HashedPart>,
): Promise<StoreResult> {
  const uploadId = await openUpload(requests, content);
  let note: string | undefined;
  try {
    note = await tryNoteUpload(requests.context, S3_NOTES, { ...placeOfUploads(requests), key: content.key, uploadId });
    const sent = await sendParts(requests, { ...content, uploadId, note }, parts);
    await complete(requests, { ...content, uploadId }, sent);
    if (note !== undefined) await dropNote(note);
    return { sentBytes: bytesOf(sent), chunks: sent.length, skipped: false };
  } catch (error) {
    const isGone = await abortUpload(requests, { key: content.key, uploadId });
    if (isGone && note !== undefined) await dropNote(note);
    throw error;
  }
}

/**
 * Aborts an upload. False = the server could not be told; the next run will try again.
 * It takes no signal: it is what has to be done after one.
 */
export async function abortUpload(
  requests: S3Requests,
  { key, uploadId }: { readonly key: string; readonly uploadId: string },
): Promise<boolean> {
  const signal = AbortSignal.timeout(Math.min(ABORT_PATIENCE_MS, requests.context.timeoutMs));
  try {
    await requests.run({
      operation: 'AbortMultipartUpload',
      signal,
      send: ({ sdk, client }) => {
        const input = { Bucket: requests.address.bucket, Key: key, UploadId: uploadId };
        return client.send(new sdk.AbortMultipartUploadCommand(input), { abortSignal: signal });
      },
    });
    return true;
  } catch (error) {
    return statusOf(error) === 404;
  }
}

/** Aborts what killed runs of this cache directory left in this bucket, and nothing else there. */
export function abortAbandonedParts(requests: S3Requests): Promise<void> {
  const { endpoint, bucket } = placeOfUploads(requests);
  return abortAbandonedUploads(requests.context, S3_NOTES, async (note) => {
    return note.bucket === bucket && note.endpoint === endpoint && (await abortUpload(requests, note));
  });
}

async function openUpload(requests: S3Requests, { key, metadata, signal }: ContentToStore): Promise<string> {
  const { UploadId } = await requests.run({
    operation: 'CreateMultipartUpload',
    signal,
    send: ({ sdk, client }) => {
      const object = { Bucket: requests.address.bucket, Key: key, Metadata: metadata };
      const input = { ...object, ContentType: 'application/octet-stream' };
      return client.send(new sdk.CreateMultipartUploadCommand(input), { abortSignal: signal });
    },
  });
  if (UploadId !== undefined && UploadId !== '' && UploadId.length <= 4096) return UploadId;
  throw new ClipctlError('REMOTE_FAILED', 'the S3 server opened an upload without a usable id');
}

interface OpenUpload extends ContentToStore {
  readonly uploadId: string;
  readonly note?: string | undefined;
}

/** Hashing the next part overlaps with sending; the first failure stops all, and is thrown when all have stopped. */
async function sendParts(requests: S3Requests, upload: OpenUpload, parts: AsyncIterable<HashedPart>): Promise<SentPart[]> {
  const failed = new AbortController();
  const signal = AbortSignal.any([upload.signal, failed.signal]);
  const sent: SentPart[] = [];
  const underWay = new Set<Promise<void>>();
  const start = (part: HashedPart): void => {
    const sending = sendPart(requests, { ...upload, signal }, part).then(
      (each) => void sent.push(each),
      (error: unknown) => failed.abort(error),
    );
    underWay.add(sending);
    void sending.finally(() => {
      part.release();
      underWay.delete(sending);
    });
  };
  try {
    for await (const part of parts) {
      while (underWay.size >= upload.partsAtOnce) await Promise.race(underWay);
      if (signal.aborted) part.release();
      signal.throwIfAborted();
      start(part);
    }
  } catch (error) {
    failed.abort(error);
  }
  await Promise.all(underWay);
  signal.throwIfAborted();
  return sent.sort((one, other) => one.PartNumber - other.PartNumber);
}

async function sendPart(requests: S3Requests, upload: OpenUpload, part: HashedPart): Promise<SentPart> {
  const { key, uploadId, signal, note } = upload;
  const { ETag } = await requests.run({
    operation: 'UploadPart',
    signal,
    send: ({ sdk, client }) => {
      const command = new sdk.UploadPartCommand({
        Bucket: requests.address.bucket,
        Key: key,
        UploadId: uploadId,
        PartNumber: part.number,
        Body: new PieceBody({ sizeBytes: part.length, open: () => part.stream() }),
        ContentLength: part.length,
      });
      return client.send(withPayloadHash(command, part.sha256), { abortSignal: signal });
    },
  });
  if (note !== undefined) await touchNote(note);
  if (ETag !== undefined && ETag !== '' && ETag.length <= 1024) return { PartNumber: part.number, ETag, sizeBytes: part.length };
  throw new ClipctlError('REMOTE_FAILED', `the S3 server took part ${part.number} and gave no ETag`);
}

async function complete(requests: S3Requests, upload: OpenUpload, parts: readonly SentPart[]): Promise<void> {
  const { key, uploadId, signal, create, name } = upload;
  const Parts = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
  const send = (condition: Condition): Promise<unknown> =>
    requests.run({
      operation: 'CompleteMultipartUpload',
      signal,
      send: ({ sdk, client }) => {
        const object = { Bucket: requests.address.bucket, Key: key, UploadId: uploadId, ...condition };
        const command = new sdk.CompleteMultipartUploadCommand({ ...object, MultipartUpload: { Parts } });
        return client.send(command, { abortSignal: signal });
      },
    });
  try {
    await create(send);
  } catch (error) {
    // An answer that got lost was tried again, and the upload is complete since the first time.
    const mayBeDone = !isAbort(error) && (statusOf(error) === 404 || reasonOf(error) === 'NoSuchUpload');
    if (!mayBeDone || (await sizeOfObject(requests, name, signal)) !== bytesOf(parts)) throw error;
  }
}
