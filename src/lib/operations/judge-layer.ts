/** Is a layer of the disk cache what its name says? By its record, or by its hash. */
import type { SurveyedLayer } from '../cache/disk/survey.ts';
import { errorCodeOf } from '../errors.ts';
import type { ContentHash } from '../oci/digest.ts';
import type { DamageReason } from './cache-results.ts';
import type { Session } from './open-session.ts';

/** `ok`, nobody asked, it has gone meanwhile, or what is wrong. */
export type Verdict = 'ok' | 'unverified' | 'gone' | DamageReason;

/** With `full` every layer is hashed. @throws ClipctlError STORAGE_*; the signal's reason */
export async function judgeLayer(session: Session, layer: SurveyedLayer, full: boolean): Promise<Verdict> {
  session.signal.throwIfAborted();
  const { hash, state, recordedBytes, sizeBytes } = layer;
  if (!layer.isReadable) return 'unreadable';
  if (!full && state === 'verified') return 'ok';
  if (!full && state === 'foreign') return 'unverified';
  if (recordedBytes !== undefined && recordedBytes !== sizeBytes) return 'size';
  return hashedVerdict(session, hash);
}

/** By the hash of what stands there now. @throws ClipctlError STORAGE_*; the signal's reason */
export async function hashedVerdict(session: Session, hash: ContentHash): Promise<Verdict> {
  try {
    const found = await session.disk.verifyLayer(hash, { signal: session.signal });
    if (found === 'missing') return 'gone';
    return found === 'verified' ? 'ok' : 'content';
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'STORAGE_DENIED') return 'unreadable';
    if (code === 'STORAGE_ERROR') return 'no-file';
    throw error;
  }
}
