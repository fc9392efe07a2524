/** What a remote sends, as a Readable that ends only when it is all there. */
import { createHash } from 'node:crypto';
import { addAbortSignal, Readable } from 'node:stream';
import { ClipctlError } from '../../errors.ts';
import type { ContentHash } from '../../oci/digest.ts';

/** Of a Readable's own queue, which no budget sees. */
const QUEUE_BYTES = 64 * 1024;

export interface RemoteBytes {
  /** Of the remote, without credentials. */
  readonly url: string;
  readonly hash: ContentHash;
  /** How many there must be. */
  readonly sizeBytes: number;
  /** The whole content: its sha256 must be `hash`. */
  readonly isWhole: boolean;
  readonly signal: AbortSignal;
}

/** The stream fails with CACHE_CORRUPT when `pieces` are too few, too many or, being the whole content, not those of the hash. */
export function remoteReadable(pieces: AsyncIterable<Uint8Array>, expected: RemoteBytes): Readable {
  const checked = checkedPieces(pieces, expected);
  return addAbortSignal(expected.signal, Readable.from(checked, { objectMode: false, highWaterMark: QUEUE_BYTES }));
}

async function* checkedPieces(pieces: AsyncIterable<Uint8Array>, expected: RemoteBytes): AsyncGenerator<Uint8Array> {
  const { hash, sizeBytes, isWhole } = expected;
  const sha = isWhole ? createHash('sha256') : undefined;
  let seenBytes = 0;
  for await (const piece of pieces) {
    seenBytes += piece.length;
    if (seenBytes > sizeBytes) throw corruptAt(expected, `more than ${sizeBytes} bytes came`);
    sha?.update(piece);
    yield piece;
  }
  if (seenBytes !== sizeBytes) throw corruptAt(expected, `${seenBytes} of ${sizeBytes} bytes came`);
  const found = sha?.digest('hex');
  if (found !== undefined && found !== hash) throw corruptAt(expected, `its content is sha256:${found}`);
}

/** CACHE_CORRUPT: the remote has it, and has it wrong. */
export function corruptAt({ url, hash }: Pick<RemoteBytes, 'url' | 'hash'>, what: string): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${url}: content ${hash} is corrupt: ${what}`, {
    details: { url, hash },
    hint: 'Delete it there: the next push stores it again.',
  });
}
