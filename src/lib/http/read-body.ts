/** Small bodies, read whole under a cap. Layer bytes never pass here. */
import { Readable } from 'node:stream';
import type { HttpResponse } from './http-client.ts';
import { networkError } from './network-error.ts';
import { watchedPieces } from './watched-body.ts';

export interface BodyStart {
  readonly bytes: Buffer;
  /** False when there was more than `maxBytes`; the rest was not read. */
  readonly isWhole: boolean;
}

/**
 * The first `maxBytes` of a body.
 * @throws ClipctlError NETWORK, TIMEOUT; the signal's reason when aborted
 */
export async function readBody(response: HttpResponse, maxBytes: number, signal: AbortSignal): Promise<BodyStart> {
  const pieces: Buffer[] = [];
  let total = 0;
  try {
    // Leaving the loop early destroys the body, and with it the connection.
    for await (const piece of watchedPieces(response)) {
      total += piece.byteLength;
      pieces.push(piece);
      if (total > maxBytes) break;
    }
  } catch (error) {
    throw networkError(error, response.url, signal);
  }
  return { bytes: Buffer.concat(pieces).subarray(0, maxBytes), isWhole: total <= maxBytes };
}

/**
 * The same answer with the first `maxBytes` of its body in memory: its connection is free for the next request.
 * @throws ClipctlError NETWORK, TIMEOUT; the signal's reason when aborted
 */
export async function holdBody(response: HttpResponse, maxBytes: number, signal: AbortSignal): Promise<HttpResponse> {
  const { bytes } = await readBody(response, maxBytes, signal);
  return { ...response, body: Readable.from([bytes]) };
}
