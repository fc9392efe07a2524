import { expect } from 'vitest';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { ClipctlError } from '../../src/lib/errors.ts';

/** RELIABILITY §1.3 row 27. */
const MAX_RSS_GROWTH_BYTES = 16 * 1024 * 1024;

/** What decoding throws, or undefined. */
export function errorOf(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** The file is refused with CLIP_INVALID, and the refusal takes no memory to speak of. */
export function expectClipInvalid(file: Uint8Array): ClipctlError {
  const before = process.memoryUsage.rss();
  const error = errorOf(() => decodeClip(file));
  expect(process.memoryUsage.rss() - before).toBeLessThan(MAX_RSS_GROWTH_BYTES);
  expect(error).toBeInstanceOf(ClipctlError);
  const refusal = error as ClipctlError;
  expect(refusal.code, refusal.message).toBe('CLIP_INVALID');
  expect(refusal.details['field'] ?? refusal.details['offset'] ?? refusal.details['sizeBytes']).toBeDefined();
  return refusal;
}
