/** The files of a stopped transfer, copied out of the handles they were looked at through. */
import type { FileHandle } from 'node:fs/promises';
import type { OpenedFile } from '../../../regular-file.ts';
import type { FoundResume, ResumeState } from './find-resume.ts';
import type { StoppedTransfer } from './stopped-transfer.ts';
import type { TransferFile } from './transfers.ts';

/** Small enough to need no lease of the budget. */
const PIECE_BYTES = 64 * 1024;
/** Beyond what a transfer of this layer can have fetched ahead, another has written it. */
const MOST_AHEAD_BYTES = 64 * 1024 * 1024;

export interface TransferCopy {
  readonly stopped: StoppedTransfer;
  readonly found: FoundResume;
  /** Compressed, of the layer. */
  readonly sizeBytes: number;
  /** Of the new transfer: empty, and left open. */
  readonly layer: FileHandle;
  /** Makes another file of it. */
  readonly create: (name: TransferFile) => Promise<FileHandle>;
}

/** Copies what `found` tells of, and nothing else. The journal is not among it. @throws what the file system throws */
export async function copyTransferFiles({ stopped, found, sizeBytes, layer, create }: TransferCopy): Promise<void> {
  const { resume } = found;
  await copyBytes(stopped.files.layer, layer, layerBytes(resume));
  for (const [name, bytes] of [
    ['spool', resume.kind === 'spool' ? resume.keptBytes : 0],
    ['ahead', 2 * sizeBytes + MOST_AHEAD_BYTES],
  ] as const) {
    if (stopped.files[name] === undefined) continue;
    const to = await create(name);
    await copyBytes(stopped.files[name], to, bytes).finally(() => to.close());
  }
}

function layerBytes(resume: ResumeState): number {
  if (resume.kind === 'points') return resume.point.uncompressedOffset;
  return resume.kind === 'spool' ? 0 : Math.max(0, ...resume.done.map(({ uncompressedEnd }) => uncompressedEnd));
}

/** Holes stay holes: runs of a layer stand far apart. */
async function copyBytes(from: OpenedFile | undefined, to: FileHandle, mostBytes: number): Promise<void> {
  if (from === undefined) return;
  const { handle } = from;
  const bytes = Math.min(mostBytes, from.sizeBytes);
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  const zeros = Buffer.alloc(PIECE_BYTES);
  let at = 0;
  while (at < bytes) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(PIECE_BYTES, bytes - at), at);
    if (bytesRead === 0) break;
    const piece = buffer.subarray(0, bytesRead);
    if (!piece.equals(zeros.subarray(0, bytesRead))) await writeFully(to, piece, at);
    at += bytesRead;
  }
  await to.truncate(at);
}

async function writeFully(to: FileHandle, piece: Buffer, at: number): Promise<void> {
  for (let written = 0; written < piece.length;) {
    const { bytesWritten } = await to.write(piece, written, piece.length - written, at + written);
    written += bytesWritten;
  }
}
