/** The one mapping from error code to exit code (CLI.md "Exit codes"; docs/exit-codes.md). */
import type { ErrorCode } from '../lib/errors.ts';

export const EXIT_CODES: Readonly<Record<ErrorCode, number>> = {
  INTERNAL: 1,
  USAGE: 2,
  CONFIG_INVALID: 2,
  REFERENCE_INVALID: 2,
  PLATFORM_INVALID: 2,
  PARTIAL_FAILURE: 3,
  IMAGE_NOT_FOUND: 4,
  PLATFORM_NOT_FOUND: 4,
  BLOB_NOT_FOUND: 4,
  FILE_NOT_FOUND: 4,
  LAYER_NOT_FOUND: 4,
  UNAUTHORIZED: 5,
  FORBIDDEN: 5,
  NETWORK: 6,
  TIMEOUT: 6,
  RATE_LIMITED: 6,
  REGISTRY_ERROR: 6,
  DIGEST_MISMATCH: 7,
  DIFF_ID_MISMATCH: 7,
  SIZE_MISMATCH: 7,
  DIGEST_INVALID: 7,
  MANIFEST_INVALID: 7,
  MANIFEST_AMBIGUOUS: 7,
  CONFIG_BLOB_INVALID: 7,
  LAYOUT_INVALID: 7,
  LAYER_CORRUPT: 7,
  TAR_INVALID: 7,
  CLIP_INVALID: 7,
  CACHE_CORRUPT: 7,
  STORAGE_FULL: 8,
  STORAGE_DENIED: 8,
  STORAGE_ERROR: 8,
  CACHE_VERSION: 8,
  LIMIT_LAYER_SIZE: 9,
  LIMIT_RATIO: 9,
  LIMIT_ENTRIES: 9,
  LIMIT_HEADER: 9,
  LIMIT_MANIFEST_SIZE: 9,
  LIMIT_WINDOW: 9,
  FOREIGN_LAYER: 9,
  UNSUPPORTED_MEDIA_TYPE: 9,
  UNSUPPORTED_DIGEST: 9,
  STRICT_REFUSED: 9,
  NOT_WARM: 10,
  OFFLINE_MISS: 10,
  REMOTE_FAILED: 11,
  // What a signal gives is 128 + its number (interruption.ts); this is the answer when the caller's own signal aborted.
  ABORTED: 130,
};

/** stdout or stderr was closed by its reader (128 + SIGPIPE). */
export const EXIT_CLOSED_PIPE = 141;

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_CODES[code];
}
