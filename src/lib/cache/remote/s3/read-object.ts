/** Reading objects: the size, the whole with its hash checked, a range with its place checked. */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { ClipctlError } from '../../../errors.ts';
import { parseContentRange } from '../../../http/content-range.ts';
import { networkError } from '../../../http/network-error.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { CacheCallOptions, ContentRange } from '../../content-cache.ts';
import { keyOf } from './s3-address.ts';
import { statusOf } from './s3-failure.ts';
import type { S3Requests } from './s3-requests.ts';

/** Bytes of the object; `undefined` = there is none. */
export async function sizeOfObject(requests: S3Requests, name: string, signal: AbortSignal): Promise<number | undefined> {
  const input = { Bucket: requests.address.bucket, Key: keyOf(requests.address, name) };
  const answer = await unlessMissing(
    requests.run({
      operation: 'HeadObject',
      signal,
      isLookup: true,
      send: ({ sdk, client }) => client.send(new sdk.HeadObjectCommand(input), { abortSignal: signal }),
    }),
  );
  if (answer === undefined) return undefined;
  const sizeBytes = answer.ContentLength;
  if (sizeBytes !== undefined && Number.isSafeInteger(sizeBytes) && sizeBytes >= 0) return sizeBytes;
  throw new ClipctlError('REMOTE_FAILED', `the S3 server does not say how long ${name} is`);
}

/** The whole object; fails with CACHE_CORRUPT instead of ending when its sha256 is not `hash`. `undefined` = a miss. */
export async function readObject(
  requests: S3Requests,
  hash: ContentHash,
  options: CacheCallOptions,
): Promise<Readable | undefined> {
  const answer = await get(requests, hash, { signal: options.signal });
  if (answer === undefined) return undefined;
  return readableOf(answer, { ...options, requests, name: hash, sizeBytes: answer.sizeBytes, expected: hash });
}

/** A range, cut at the end of the object. Nothing is verified but that it is this range. `undefined` = a miss. */
export async function readObjectRange(
  requests: S3Requests,
  name: string,
  { offset, length, signal }: CacheCallOptions & ContentRange,
): Promise<Readable | undefined> {
  if (length === 0) return (await sizeOfObject(requests, name, signal)) === undefined ? undefined : Readable.from([]);
  try {
    const answer = await get(requests, name, { signal, range: `bytes=${offset}-${offset + length - 1}` });
    if (answer === undefined) return undefined;
    const sizeBytes = rangeBytes(answer, { name, offset, length });
    return readableOf(answer, { requests, name, signal, sizeBytes });
  } catch (error) {
    if (statusOf(error) === 416) return Readable.from([]);
    throw error;
  }
}

interface ObjectAnswer {
  readonly status: number | undefined;
  readonly body: Readable;
  readonly sizeBytes: number | undefined;
  readonly contentRange: string | undefined;
}

interface GetOptions extends CacheCallOptions {
  readonly range?: string;
}

async function get(requests: S3Requests, name: string, { signal, range }: GetOptions): Promise<ObjectAnswer | undefined> {
  const input = { Bucket: requests.address.bucket, Key: keyOf(requests.address, name) };
  const answer = await unlessMissing(
    requests.run({
      operation: 'GetObject',
      signal,
      isLookup: true,
      send: ({ sdk, client }) => {
        const command = new sdk.GetObjectCommand({ ...input, ...(range === undefined ? {} : { Range: range }) });
        return client.send(command, { abortSignal: signal });
      },
    }),
  );
  if (answer === undefined) return undefined;
  const { Body, ContentLength, ContentRange, $metadata } = answer;
  if (!(Body instanceof Readable)) throw new ClipctlError('REMOTE_FAILED', `the S3 server sent no body for ${name}`);
  return { status: $metadata.httpStatusCode, body: Body, sizeBytes: ContentLength, contentRange: ContentRange };
}

/** A missing object is a miss; a missing bucket is not, where the server says so. */
async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await request;
  } catch (error) {
    if (statusOf(error) === 404 && (error as ClipctlError).details['reason'] !== 'NoSuchBucket') return undefined;
    throw error;
  }
}

/** How many bytes the answer must have. Bytes from another place are never taken for these. */
function rangeBytes(answer: ObjectAnswer, { name, offset, length }: ContentRange & { readonly name: string }): number {
  const range = parseContentRange(answer.contentRange);
  const isThis = answer.status === 206 && range?.start === offset && range.end <= offset + length;
  const isCutAtEnd = range !== undefined && (range.end === offset + length || range.end === range.totalBytes);
  if (isThis && isCutAtEnd) return range.end - range.start;
  answer.body.destroy();
  throw new ClipctlError('REMOTE_FAILED', `the S3 server sent another range of ${name} than it was asked for`, {
    details: {
      offset,
      length,
      found: answer.contentRange?.slice(0, 80),
      ...(answer.status === undefined ? {} : { status: answer.status }),
    },
  });
}

interface ReadableOptions extends CacheCallOptions {
  readonly requests: S3Requests;
  readonly name: string;
  /** How many bytes must come; undefined when the server does not say. */
  readonly sizeBytes: number | undefined;
  /** Of the whole object; absent for a range. */
  readonly expected?: ContentHash;
}

/** The signal of the call ends the body, and with it the reading. */
function readableOf({ body }: ObjectAnswer, options: ReadableOptions): Readable {
  const pieces = checkedPieces(body, options);
  return new Readable({
    read() {
      pieces.next().then(
        ({ done, value }) => this.push(done === true ? null : value),
        (error: unknown) => this.destroy(error as Error),
      );
    },
    destroy(error, done) {
      body.destroy();
      done(error);
    },
  });
}

async function* checkedPieces(body: Readable, options: ReadableOptions): AsyncGenerator<Buffer, void, undefined> {
  const { requests, name, sizeBytes, expected, signal } = options;
  const sha = createHash('sha256');
  let readBytes = 0;
  try {
    for await (const piece of body as AsyncIterable<Buffer>) {
      readBytes += piece.length;
      if (sizeBytes !== undefined && readBytes > sizeBytes) break;
      if (expected !== undefined) sha.update(piece);
      yield piece;
    }
  } catch (error) {
    throw networkError(
      error,
      new URL(requests.address.endpoint?.href ?? `https://${requests.address.bucket}.s3.amazonaws.com`),
      signal,
    );
  }
  if (sizeBytes !== undefined && readBytes !== sizeBytes) throw corrupt(name, `has ${readBytes} bytes instead of ${sizeBytes}`);
  const found = sha.digest('hex');
  if (expected !== undefined && found !== expected) throw corrupt(name, `has the hash sha256:${found}`);
}

function corrupt(name: string, what: string): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `object ${name} of the S3 remote ${what}`, {
    details: { name },
    hint: 'Delete the object: the next push stores it again.',
  });
}
