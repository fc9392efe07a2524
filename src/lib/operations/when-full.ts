/**
 * A disk that is full in the middle of a layer. How large a layer gets shows only while it comes, so the room that was
 * made beforehand may be too small: more goes then, and the layer comes again.
 */
import { ClipctlError } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { Session } from './open-session.ts';

const MAX_TRIES = 3;
/** Of a layer that did not fit, as much again is expected. */
const EXPECTED_GROWTH = 2;

/**
 * Runs `action`, which brings `layer`; where the cache directory is full, evicts and runs it again.
 * @throws ClipctlError STORAGE_FULL with need and have when nothing more can go; what `action` throws
 */
export async function retryWhenFull<T>(session: Session, layer: LayerDescriptor, action: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await action();
    } catch (error) {
      const full = fullDisk(error, session.disk.directory);
      if (full === undefined) throw error;
      await makeMoreRoom(session, layer, { ...full, isLastTry: tries === MAX_TRIES });
      session.onProgress({
        type: 'retry',
        what: layer.digest,
        attempt: tries,
        most: MAX_TRIES - 1,
        waitMs: 0,
        reason: full.error.code,
      });
    }
  }
}

interface FullDisk {
  readonly error: ClipctlError;
  /** Bytes of the layer that fitted. */
  readonly writtenBytes: number;
  /** A quota: the file system's figures say nothing of it. */
  readonly isQuota: boolean;
}

/** `undefined` = it failed in another way, or elsewhere. */
function fullDisk(error: unknown, directory: string): FullDisk | undefined {
  if (!(error instanceof ClipctlError) || error.code !== 'STORAGE_FULL') return undefined;
  const { errno, path, writtenBytes } = error.details;
  if ((errno !== 'ENOSPC' && errno !== 'EDQUOT') || typeof path !== 'string' || !path.startsWith(directory)) return undefined;
  return { error, writtenBytes: typeof writtenBytes === 'number' ? writtenBytes : 0, isQuota: errno === 'EDQUOT' };
}

async function makeMoreRoom(
  { disk, signal }: Session,
  { sizeBytes }: LayerDescriptor,
  { error, writtenBytes, isQuota, isLastTry }: FullDisk & { readonly isLastTry: boolean },
): Promise<void> {
  const requiredBytes = Math.max(sizeBytes, writtenBytes);
  const expectedBytes = requiredBytes * EXPECTED_GROWTH;
  const leastBytes = isQuota ? requiredBytes : 0;
  if (!isLastTry && (await disk.room.gain({ requiredBytes, expectedBytes, leastBytes, signal }))) return;
  throw isQuota ? error : await disk.room.refusal(requiredBytes, error);
}
