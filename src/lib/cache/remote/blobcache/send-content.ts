import { PIECE_BYTES, type BufferBudget } from '../../buffer-budget.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import { ContentCheck } from '../../content-check.ts';
import { ClipctlError } from '../../../errors.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { piecesOfSource } from '../../write-verified.ts';
import type { BlobcacheHost } from './blobcache-host.ts';

/** With what gRPC makes of it no more than what needs no lease. */
const UNLEASED_BYTES = 32 * 1024;

export interface SendOptions {
  readonly hash: ContentHash;
  /** `undefined`: the hash alone says it is right. */
  readonly sizeBytes: number | undefined;
  readonly budget: BufferBudget;
  readonly signal: AbortSignal;
  /** Hears how many bytes there are so far. */
  readonly onBytes: (bytes: number) => void;
}

/**
 * Sends content. The server hashes what it gets and keeps that under the hash it finds, so the upload is finished only when
 * size and hash have held here: wrong content is broken off, and nothing of it is kept.
 * @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH; CACHE_CORRUPT when the server has found another hash
 */
export async function sendContent(
  host: BlobcacheHost,
  source: ChunkSource,
  { hash, sizeBytes, budget, signal, onBytes }: SendOptions,
): Promise<{ readonly sentBytes: number; readonly chunks: number }> {
  const check = new ContentCheck(hash, sizeBytes);
  let chunks = 0;
  // Half for us, half for what gRPC makes of it. Without room, messages so small that they need none.
  const lease = budget.tryAcquireBuffer(PIECE_BYTES);
  const memory = lease?.buffer.subarray(0, PIECE_BYTES / 2) ?? Buffer.allocUnsafeSlow(UNLEASED_BYTES);
  try {
    const upload = await host.store(signal);
    try {
      for await (const piece of piecesOfSource(source, () => (chunks += 1))) {
        signal.throwIfAborted();
        check.take(piece);
        onBytes(check.seenBytes);
        await upload.send(piece, memory);
      }
      signal.throwIfAborted();
      check.finish();
      const found = await upload.finish();
      if (found !== hash) throw otherHash(host.name, hash);
    } finally {
      upload.cancel();
    }
    return { sentBytes: check.seenBytes, chunks };
  } finally {
    lease?.release();
  }
}

/** What it said is not shown: it is no hash of ours, and may be anything. */
function otherHash(name: string, hash: ContentHash): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `${name} has found another hash for content ${hash} than it has`, {
    details: { host: name, hash },
    hint: 'What it keeps is not what was sent: check that server, and the way to it.',
  });
}
