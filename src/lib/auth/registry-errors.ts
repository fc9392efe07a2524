/** What a registry's refusal means to the user (distribution specification, "Error Codes"). */
import { ClipctlError, type ErrorCode } from '../errors.ts';
import { escapeUntrusted } from '../http/escape-untrusted.ts';
import { redactText } from '../redact.ts';

export interface Refusal {
  readonly host: string;
  /** `manifest latest of library/alpine`: what was asked for. */
  readonly what: string;
  readonly status: number;
  /** Code of a 404. */
  readonly missing: ErrorCode;
  /** Codes of the specification that say here what passes by itself. */
  readonly passing?: readonly RegistryCode[] | undefined;
  /** How long the answer asks to wait. */
  readonly retryAfterMs?: number | undefined;
  /** Start of the body, as received. */
  readonly body?: Uint8Array;
  /** What must not be shown, should the server echo it. */
  readonly secrets?: readonly string[];
  readonly hasCredentials?: boolean;
  /** The host that was asked, when it sent us on to `host`. */
  readonly redirectedBy?: string | undefined;
}

/** Codes of the specification that somebody here looks for. */
export type RegistryCode = 'BLOB_UNKNOWN' | 'BLOB_UPLOAD_UNKNOWN' | 'MANIFEST_BLOB_UNKNOWN';

const MAX_MESSAGE_CHARS = 300;

/** The error for a status that is no success; retryable for 408, 429, 5xx and what is passing. */
export function refusalError(refusal: Refusal): ClipctlError {
  const { host, what, status, retryAfterMs } = refusal;
  const told = toldReason(refusal);
  const because = told === '' ? '' : `: ${told}`;
  const details = { host, status };
  const retry = {
    retryable: isWorthRetrying(status) || namesPassing(refusal),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  };
  const options = { details: { ...details, retryAfterMs }, hint: hintFor(refusal, retryAfterMs), ...retry };
  return new ClipctlError(codeFor(status, refusal.missing), `${host} answered ${status} for ${what}${because}`, options);
}

function isWorthRetrying(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}

/** A code anywhere in the list of errors: docker-registry puts what led to it before it. */
const CODE_FIELD = /"code"\s{0,8}:\s{0,8}"([A-Z_]{1,64})"/g;

function namesPassing({ passing = [], body }: Refusal): boolean {
  if (passing.length === 0) return false;
  const codes = Buffer.from(body ?? [])
    .toString('utf8')
    .matchAll(CODE_FIELD);
  return [...codes].some(([, code]) => (passing as readonly (string | undefined)[]).includes(code));
}

function codeFor(status: number, missing: ErrorCode): ErrorCode {
  if (status === 401 || status === 407) return 'UNAUTHORIZED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return missing;
  return status === 429 ? 'RATE_LIMITED' : 'REGISTRY_ERROR';
}

function hintFor({ status, hasCredentials, host, redirectedBy }: Refusal, retryAfterMs: number | undefined): string {
  if (redirectedBy !== undefined && (status === 401 || status === 403 || status === 404)) {
    return `${redirectedBy} sent us on to ${host}, and that storage host refused. Credentials are never sent there: ask who runs ${redirectedBy}.`;
  }
  if (status === 401 && hasCredentials !== true) {
    return 'Log in with docker login or podman login, or pass --username and --password-stdin. Some registries answer so for an image that is not there.';
  }
  if (status === 401) return 'The credentials were refused: check them, and that the image exists.';
  if (status === 403) return 'This user may not read the repository; some registries answer so for one that is not there.';
  if (status === 404) return 'Check the name, the tag and the spelling; some registries answer so when you are not logged in.';
  if (status === 407) {
    return 'A proxy wants a login: put user:password@ before its host in HTTP_PROXY, or exempt the registry with NO_PROXY.';
  }
  if (status === 429) return rateLimitHint(retryAfterMs);
  return `Try again ${whenOf(retryAfterMs)}, or ask who runs ${host}.`;
}

function rateLimitHint(retryAfterMs: number | undefined): string {
  return `The registry limits how much may be asked: try again ${whenOf(retryAfterMs)}, log in for a higher limit, or use a mirror.`;
}

function whenOf(retryAfterMs: number | undefined): string {
  return retryAfterMs === undefined ? 'later' : `in ${Math.ceil(retryAfterMs / 1000)} s`;
}

/** The first `"message": "…"`, cut after 2000 characters: a string that JSON.parse surely takes. */
const MESSAGE_FIELD = /"message"\s{0,8}:\s{0,8}"((?:[^"\\\p{Cc}]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,2000})/u;

/** `errors[0].message` where the body is the JSON of the specification, else its first line; never a secret, never a control character. */
function toldReason({ body, secrets }: Refusal): string {
  const text = Buffer.from(body ?? [])
    .toString('utf8')
    .trim();
  if (text === '' || text.startsWith('<')) return '';
  const told = MESSAGE_FIELD.exec(text)?.[1];
  const reason = told === undefined ? (text.split('\n', 1)[0] ?? '') : (JSON.parse(`"${told}"`) as string);
  return escapeUntrusted(redactText(reason, secrets).slice(0, MAX_MESSAGE_CHARS));
}
