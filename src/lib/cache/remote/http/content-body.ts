/** The body of an answer as content: as long as was said, and with the hash where it is the whole. */
import { createHash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { ClipctlError } from '../../../errors.ts';
import { headerOf, type HttpResponse } from '../../../http/http-client.ts';
import { networkError } from '../../../http/network-error.ts';
import type { ContentHash } from '../../../oci/digest.ts';

export interface BodyLimits {
  /** undefined: the server did not say; the hash decides. */
  readonly sizeBytes: number | undefined;
  /** Of the whole content; absent for a range. */
  readonly hash?: ContentHash;
  readonly signal: AbortSignal;
}

/** The stream fails with CACHE_CORRUPT, NETWORK or TIMEOUT; leaving it lets the connection go. */
export function bodyOf(response: HttpResponse | undefined, limits: BodyLimits): Readable {
  const pieces = piecesOf(response, limits);
  const body = Readable.from(pieces, { objectMode: false, highWaterMark: 64 * 1024 });
  // First the connection: a reader that leaves must not wait for a byte that may never come.
  body.once('close', () => response?.body.destroy());
  return addAbortSignal(limits.signal, body);
}

async function* piecesOf(response: HttpResponse | undefined, limits: BodyLimits): AsyncGenerator<Buffer, void, undefined> {
  const { sizeBytes, hash, signal } = limits;
  const sha = hash === undefined ? undefined : createHash('sha256');
  let seenBytes = 0;
  try {
    for await (const piece of (response?.body ?? []) as AsyncIterable<Buffer>) {
      seenBytes += piece.byteLength;
      if (sizeBytes !== undefined && seenBytes > sizeBytes) break;
      sha?.update(piece);
      await response?.rate?.take(piece.byteLength, () => signal.aborted || response.body.destroyed);
      yield piece;
    }
  } catch (error) {
    throw response === undefined ? error : networkError(error, response.url, signal);
  }
  if (sizeBytes !== undefined && seenBytes !== sizeBytes) throw corrupt(`should have ${sizeBytes} bytes`);
  if (sha !== undefined && sha.digest('hex') !== hash) throw corrupt('has another hash');
}

function corrupt(problem: string): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `what the remote cache sent ${problem}`);
}

/** Content-Length, where it is a number that can be one. */
export function lengthOf(response: HttpResponse): number | undefined {
  const text = headerOf(response, 'content-length') ?? '';
  return /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}
