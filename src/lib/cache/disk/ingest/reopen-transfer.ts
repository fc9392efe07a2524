/** Opens a stopped transfer for writing, in its place: only one that nobody else can have written to. */
import { constants } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { storageError } from '../../../errors.ts';
import type { OpenedFile } from '../../../regular-file.ts';
import { openOwn, swapped } from '../../own-file.ts';
import type { ResumeState } from './find-resume.ts';
import type { StoppedTransfer } from './stopped-transfer.ts';
import { TRANSFER_FILES } from './transfers.ts';

/** @returns its layer file, cut to what counts. @throws ClipctlError STORAGE_* */
export async function reopenTransfer({ path, files }: StoppedTransfer, resume: ResumeState): Promise<FileHandle> {
  const layerPath = join(path, TRANSFER_FILES.layer);
  const layer = await openForWriting(layerPath, files.layer);
  try {
    if (resume.kind === 'spans') return layer;
    await layer.truncate(resume.kind === 'points' ? resume.point.uncompressedOffset : 0);
    if (resume.kind === 'spool') await truncateFile(join(path, TRANSFER_FILES.spool), files.spool, resume.keptBytes);
    return layer;
  } catch (error) {
    await layer.close();
    throw storageError(error, layerPath, 'open');
  }
}

/** The file that was looked at, and no other. */
async function openForWriting(path: string, file: OpenedFile | undefined): Promise<FileHandle> {
  if (file === undefined) throw swapped(path, 'is gone');
  try {
    // It was read-only already when it was killed right before its commit.
    await file.handle.chmod(0o600);
    return await openOwn({ path, owner: file.stats.uid, inode: file.stats.ino }, constants.O_RDWR);
  } catch (error) {
    throw storageError(error, path, 'open');
  }
}

async function truncateFile(path: string, file: OpenedFile | undefined, bytes: number): Promise<void> {
  const handle = await openForWriting(path, file);
  await handle.truncate(bytes).finally(() => handle.close());
}
