/** What the SDK throws, as errors of ours. What a server wrote is never shown: it may hold the request that was signed. */
import { ClipctlError, type ErrorCode } from '../../../errors.ts';
import { retryAfterMsOf } from '../../../http/retry-after.ts';

/** What an answer says about a failure. */
interface AnswerFacts {
  readonly status: number | undefined;
  /** The code of the answer (`SlowDown`), or the name of what the SDK threw. */
  readonly name: string;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** AWS answers these with 400 (Amazon S3 API Reference, "Error responses"). */
const LOGIN: ReadonlySet<string> = new Set([
  'ExpiredToken',
  'InvalidToken',
  'TokenRefreshRequired',
  'InvalidAccessKeyId',
  'SignatureDoesNotMatch',
  'CredentialsProviderError',
  'AuthorizationHeaderMalformed',
]);
const PASSING: ReadonlySet<string> = new Set([
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'SlowDown',
  'OperationAborted',
  'ConditionalRequestConflict',
  'InternalError',
]);

/**
 * Wraps a failed request. What is a ClipctlError already, and an abort, stay what they are.
 * @param where the server and the bucket, without secrets
 */
export function s3Failure(error: unknown, where: string, signal: AbortSignal): Error {
  if (signal.aborted) return signal.reason as Error;
  if (error instanceof ClipctlError) return error;
  const { status, name, headers } = factsOf(error);
  const { code, hint, retryable = false } = judge({ status, name, headers });
  const retryAfterMs = retryAfterMsOf(headers);
  const answered = status === undefined ? name : `${status} ${name}`;
  return new ClipctlError(code, `${where} failed: ${answered}`, {
    details: { where, reason: name, ...(status === undefined ? {} : { status }) },
    retryable,
    ...(hint === undefined ? {} : { hint }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

/** The HTTP status a failed request was answered with; undefined when there was no answer. */
export function statusOf(error: unknown): number | undefined {
  const status = error instanceof ClipctlError ? error.details['status'] : undefined;
  return typeof status === 'number' ? status : undefined;
}

/** The S3 error code a failed request was answered with. */
export function reasonOf(error: unknown): string | undefined {
  const reason = error instanceof ClipctlError ? error.details['reason'] : undefined;
  return typeof reason === 'string' ? reason : undefined;
}

interface Judgement {
  readonly code: ErrorCode;
  readonly hint?: string;
  readonly retryable?: boolean;
}

function judge({ status = 0, name, headers }: AnswerFacts): Judgement {
  if (status === 401 || LOGIN.has(name)) {
    return { code: 'UNAUTHORIZED', hint: 'Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile.' };
  }
  if (PASSING.has(name) || status === 408) return { code: 'REMOTE_FAILED', retryable: true };
  if (status === 429) return { code: 'RATE_LIMITED', retryable: true };
  if (status === 403) return { code: 'FORBIDDEN', hint: 'The credentials may not do this in the bucket: check its policy.' };
  if (name === 'NoSuchBucket') return { code: 'REMOTE_FAILED', hint: 'Create the bucket: clipctl makes none.' };
  if (status >= 500 && status !== 501) return { code: 'REMOTE_FAILED', retryable: true };
  const region = headers['x-amz-bucket-region'] ?? '';
  if (status >= 300 && status < 400 && /^[a-z0-9-]{1,40}$/.test(region)) {
    return { code: 'REMOTE_FAILED', hint: `The bucket is in another region: add ?region=${region} to its URL.` };
  }
  return { code: 'REMOTE_FAILED', hint: 'Check the endpoint, the region and the bucket of the s3: URL.' };
}

function factsOf(error: unknown): AnswerFacts {
  const { $metadata, $response, name } = (error ?? {}) as {
    readonly $metadata?: { readonly httpStatusCode?: unknown };
    readonly $response?: { readonly headers?: unknown; readonly statusCode?: unknown };
    readonly name?: unknown;
  };
  const status = $metadata?.httpStatusCode ?? $response?.statusCode;
  const headers = $response?.headers;
  return {
    status: typeof status === 'number' ? status : undefined,
    name: typeof name === 'string' && /^[A-Za-z0-9.]{1,64}$/.test(name) ? name : 'unknown',
    headers: typeof headers === 'object' && headers !== null ? (headers as Record<string, string>) : {},
  };
}
