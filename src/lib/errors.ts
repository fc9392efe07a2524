/**
 * The one error class of the project. A miss is a value (`undefined`); everything that throws on purpose is a
 * `ClipctlError` with a stable code. Retry is decided by `isRetryable` alone; the exit code is mapped from the code in
 * `src/cli/exit-codes.ts` alone.
 */
import { errnoOf } from './errno.ts';
import { showRealPaths, withRealPaths } from './held-names.ts';

/** Every code a caller may meet, by class. Stable: scripts match on the codes; each has a line in docs/errors.md. */
const CODES_BY_CLASS = {
  internal: ['INTERNAL'],
  usage: ['USAGE', 'CONFIG_INVALID', 'REFERENCE_INVALID', 'PLATFORM_INVALID'],
  partial: ['PARTIAL_FAILURE'],
  'not-found': ['IMAGE_NOT_FOUND', 'PLATFORM_NOT_FOUND', 'BLOB_NOT_FOUND', 'FILE_NOT_FOUND', 'LAYER_NOT_FOUND'],
  'not-allowed': ['UNAUTHORIZED', 'FORBIDDEN', 'CREDENTIAL_HELPER_FAILED'],
  network: ['NETWORK', 'TIMEOUT', 'RATE_LIMITED', 'REGISTRY_ERROR'],
  integrity: [
    'DIGEST_MISMATCH',
    'DIFF_ID_MISMATCH',
    'SIZE_MISMATCH',
    'DIGEST_INVALID',
    'MANIFEST_INVALID',
    'MANIFEST_AMBIGUOUS',
    'CONFIG_BLOB_INVALID',
    'LAYOUT_INVALID',
    'LAYER_CORRUPT',
    'TAR_INVALID',
    'CLIP_INVALID',
    'CACHE_CORRUPT',
  ],
  storage: ['STORAGE_FULL', 'STORAGE_DENIED', 'STORAGE_ERROR', 'CACHE_VERSION', 'LOCK_TIMEOUT'],
  refused: [
    'LIMIT_LAYER_SIZE',
    'LIMIT_RATIO',
    'LIMIT_ENTRIES',
    'LIMIT_HEADER',
    'LIMIT_MANIFEST_SIZE',
    'LIMIT_WINDOW',
    'LIMIT_FRAMES',
    'FOREIGN_LAYER',
    'UNSUPPORTED_MEDIA_TYPE',
    'UNSUPPORTED_DIGEST',
    'STRICT_REFUSED',
  ],
  no: ['NOT_WARM', 'OFFLINE_MISS'],
  remote: ['REMOTE_FAILED'],
  aborted: ['ABORTED'],
} as const;

/** What kind of failure a code is; the exit code follows from it. */
export type ErrorClass = keyof typeof CODES_BY_CLASS;

export type ErrorCode = (typeof CODES_BY_CLASS)[ErrorClass][number];

const CLASS_OF_CODE: ReadonlyMap<ErrorCode, ErrorClass> = new Map(
  (Object.keys(CODES_BY_CLASS) as ErrorClass[]).flatMap((errorClass) =>
    CODES_BY_CLASS[errorClass].map((code) => [code, errorClass] as const),
  ),
);

export const ERROR_CODES: readonly ErrorCode[] = [...CLASS_OF_CODE.keys()];

/** The class of a code. */
export function errorClassOf(code: ErrorCode): ErrorClass {
  return CLASS_OF_CODE.get(code) ?? 'internal';
}

export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

export interface ClipctlErrorOptions {
  /** What went wrong underneath. */
  readonly cause?: unknown;
  /** One sentence that says what the user can do. */
  readonly hint?: string;
  /** Facts for machines: digests, sizes, paths. Never a secret. */
  readonly details?: ErrorDetails;
  /** Overrides what the code says about trying again (a 503 and a 404 are both registry answers). */
  readonly retryable?: boolean;
  /** How long the server asked to wait before the next try. */
  readonly retryAfterMs?: number;
}

/** An error that clipctl raises on purpose: one clear message, a stable code, the cause and a hint. */
export class ClipctlError extends Error {
  override readonly name = 'ClipctlError';
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: ErrorDetails;
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: ClipctlErrorOptions = {}) {
    super(withRealPaths(message), options.cause === undefined ? undefined : { cause: options.cause });
    showRealPaths(options.cause);
    this.code = code;
    this.hint = options.hint;
    this.details = detailsToShow(options.details ?? {});
    this.retryable = options.retryable ?? RETRYABLE_CODES.has(code);
    this.retryAfterMs = options.retryAfterMs;
  }
}

function detailsToShow(details: ErrorDetails): ErrorDetails {
  const shown = Object.entries(details).map(([key, value]) => [key, typeof value === 'string' ? withRealPaths(value) : value]);
  return Object.fromEntries(shown) as ErrorDetails;
}

const RETRYABLE_CODES: ReadonlySet<ErrorCode> = new Set(['NETWORK', 'TIMEOUT', 'RATE_LIMITED']);

/** The only retry decision of the project. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ClipctlError && error.retryable;
}

/** Narrows an unknown throw to the code it carries; anything foreign is `INTERNAL`. */
export function errorCodeOf(error: unknown): ErrorCode {
  if (error instanceof ClipctlError) return error.code;
  return isAbort(error) ? 'ABORTED' : 'INTERNAL';
}

/** True for what an AbortSignal throws. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || (error instanceof ClipctlError && error.code === 'ABORTED'));
}

const STORAGE_CODES: Readonly<Record<string, ErrorCode>> = {
  ENOSPC: 'STORAGE_FULL',
  EDQUOT: 'STORAGE_FULL',
  EACCES: 'STORAGE_DENIED',
  EPERM: 'STORAGE_DENIED',
  EROFS: 'STORAGE_DENIED',
};

/** What was done to a path, and how the user names another one. */
export interface StorageUse {
  /** An infinitive: `write`. */
  readonly doing: string;
  /** Ends the hint: `another place with -o`. Default: the cache directory. */
  readonly elsewhere?: string;
  /** Of what is written: bytes that stand there by now. */
  readonly writtenBytes?: number;
}

const ANOTHER_CACHE = 'another cache directory with --cache-dir or CLIPCTL_CACHE_DIR';

/**
 * Wraps what the file system threw (`ENOSPC`, `EACCES`, …) as local storage breakage (exit 8) naming the path.
 * @param use what was done; with `elsewhere` where the path is not the cache directory
 */
export function storageError(error: unknown, path: string, use: string | StorageUse): ClipctlError {
  if (error instanceof ClipctlError) return error;
  const { doing, elsewhere = ANOTHER_CACHE, writtenBytes }: StorageUse = typeof use === 'string' ? { doing: use } : use;
  const errno = errnoOf(error) ?? 'unknown';
  return new ClipctlError(STORAGE_CODES[errno] ?? 'STORAGE_ERROR', `cannot ${doing} ${path}: ${errno}`, {
    cause: error,
    details: { path, errno, ...(writtenBytes === undefined ? {} : { writtenBytes }) },
    hint: storageHint(errno, elsewhere),
  });
}

/** A storage error of a path that turned out to be something else than the cache directory; any other as it is. */
export function elsewhereThan(error: unknown, path: string, elsewhere: string): unknown {
  if (!(error instanceof ClipctlError)) return error;
  const { code, message, cause, details, retryable } = error;
  const { path: found, errno } = details;
  if (typeof errno !== 'string' || typeof found !== 'string' || !found.startsWith(path)) return error;
  return new ClipctlError(code, message, { cause, details, retryable, hint: storageHint(errno, elsewhere) });
}

/** @param elsewhere what else the user can choose, and how */
function storageHint(errno: string, elsewhere: string): string {
  const prune = elsewhere === ANOTHER_CACHE && errno in STORAGE_STEPS ? ' (`clipctl cache prune --max-size 0 --dry-run`)' : '';
  return STORAGE_HINTS[errno] ?? `${STORAGE_STEPS[errno] ?? 'Check the path'}${prune}, or choose ${elsewhere}.`;
}

const STORAGE_STEPS: Readonly<Record<string, string>> = {
  ENOSPC: 'Free some space',
  EDQUOT: 'The quota is used up: free some space',
};

/** Where another path is no help. */
const STORAGE_HINTS: Readonly<Record<string, string>> = {
  EMFILE: 'Too many files are open: raise the limit (ulimit -n), or lower --jobs.',
  ENFILE: 'Too many files are open on this machine: try again later, or lower --jobs.',
};
