/** What gRPC says of a failed call, as errors of ours. What a server wrote is not shown: it may quote the token. */
import { ClipctlError, type ErrorCode } from '../../../errors.ts';
import { networkError } from '../../../http/network-error.ts';

interface Meaning {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly retryable?: boolean;
}

const NOT_THERE = 'Check that a blobcache server (version 2) answers there.';
const TOKEN = 'Put the token into CLIPCTL_BLOBCACHE_TOKEN.';

/** gRPC, "Status codes and their use". */
const STATUS = {
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  notFound: 5,
  permissionDenied: 7,
  resourceExhausted: 8,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const MEANINGS: Readonly<Record<number, Meaning>> = {
  [STATUS.unauthenticated]: { code: 'UNAUTHORIZED', hint: TOKEN },
  [STATUS.permissionDenied]: { code: 'FORBIDDEN', hint: 'The token was refused, or may not do this: check it.' },
  [STATUS.unimplemented]: { code: 'REMOTE_FAILED', hint: NOT_THERE },
  [STATUS.unknown]: { code: 'REMOTE_FAILED', hint: 'See the log of the server.' },
  [STATUS.resourceExhausted]: {
    code: 'REMOTE_FAILED',
    hint: 'It sent more than it was asked for, or has no room left: see the log of the server.',
  },
  [STATUS.aborted]: { code: 'REMOTE_FAILED', hint: 'Try again later.', retryable: true },
  // A stream that was cut, or an answer that is none.
  [STATUS.internal]: { code: 'REMOTE_FAILED', hint: NOT_THERE, retryable: true },
};

/** The server does not know the content (of a read), or the call. */
export function isNotFound(error: unknown): boolean {
  return statusOf(error) === STATUS.notFound;
}

/** The server answered, but will not do this. */
export function isRefusal(error: unknown): boolean {
  const status = error instanceof ClipctlError ? error.details['status'] : undefined;
  return status === STATUS.unimplemented || status === STATUS.notFound || status === STATUS.unknown;
}

/** @param name `host:port` */
export function grpcFailure(error: unknown, name: string, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof ClipctlError) return error;
  const status = statusOf(error) ?? STATUS.unknown;
  // What we break off is an abort, or settled before: this was the other side.
  if (status === STATUS.unavailable || status === STATUS.cancelled) return lost(error, name, signal);
  if (status === STATUS.deadlineExceeded) return noAnswer(name);
  const { code, hint, retryable = false } = MEANINGS[status] ?? { code: 'REMOTE_FAILED', hint: 'See the log of the server.' };
  return new ClipctlError(code, `${name} failed with gRPC status ${status}`, {
    details: { host: name, status },
    hint,
    retryable,
  });
}

/** Nothing moved for too long. */
export function noAnswer(name: string): Error {
  const late = Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' });
  return networkError(late, new URL(`tcp://${name}`), new AbortController().signal);
}

/** Of these words our client says why it has no connection. */
const REASONS = /\b(?:ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EPIPE)\b|Name resolution/;

function lost(error: unknown, name: string, signal: AbortSignal): Error {
  const details = error instanceof Error && 'details' in error ? String(error.details) : '';
  const found = REASONS.exec(details)?.[0] ?? 'ECONNRESET';
  const code = found === 'Name resolution' ? 'ENOTFOUND' : found;
  return networkError(Object.assign(new Error(code), { code }), new URL(`tcp://${name}`), signal);
}

function statusOf(error: unknown): number | undefined {
  const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' ? code : undefined;
}
