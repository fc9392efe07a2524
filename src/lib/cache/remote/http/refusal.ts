/** What the refusal of a web server means for a remote cache. */
import { ClipctlError, type ErrorCode } from '../../../errors.ts';
import { escapeUntrusted } from '../../../http/escape-untrusted.ts';
import type { HttpResponse } from '../../../http/http-client.ts';
import { readBody } from '../../../http/read-body.ts';
import { retryAfterMsOf } from '../../../http/retry-after.ts';
import { redactText } from '../../../redact.ts';

export interface Refused {
  readonly what: string;
  readonly hasLogin: boolean;
  readonly secrets: readonly string[];
  readonly signal: AbortSignal;
}

const MAX_BODY_BYTES = 4096;
const MAX_MESSAGE_CHARS = 200;

/** Lets go of the answer. */
export async function refusalOf(response: HttpResponse, { what, hasLogin, secrets, signal }: Refused): Promise<ClipctlError> {
  const { status } = response;
  const { host } = response.url;
  const told = await reasonIn(response, secrets, signal);
  const retryAfterMs = retryAfterMsOf(response.headers);
  return new ClipctlError(codeOf(status), `${host} answered ${status} for ${what}${told === '' ? '' : `: ${told}`}`, {
    details: { host, status },
    hint: hintOf(status, hasLogin, host),
    retryable: status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 505 && status !== 507),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
}

async function reasonIn(response: HttpResponse, secrets: readonly string[], signal: AbortSignal): Promise<string> {
  const { bytes } = await readBody(response, MAX_BODY_BYTES, signal);
  const text = bytes.toString('utf8').trim();
  if (text.startsWith('<')) return '';
  return escapeUntrusted(redactText(text.split('\n', 1)[0] ?? '', secrets).slice(0, MAX_MESSAGE_CHARS));
}

function codeOf(status: number): ErrorCode {
  if (status === 401 || status === 407) return 'UNAUTHORIZED';
  if (status === 403) return 'FORBIDDEN';
  return status === 429 ? 'RATE_LIMITED' : 'REMOTE_FAILED';
}

function hintOf(status: number, hasLogin: boolean, host: string): string {
  if (status === 401 && !hasLogin) return `Put the login into the URL, or a bearer token into CLIPCTL_HTTP_TOKEN.`;
  if (status === 401 || status === 403) return 'The login was refused, or may not do this: check it.';
  if (status === 405 || status === 409)
    return `${host} does not store there: check the path, and that it allows PUT (nginx: dav_methods, create_full_put_path).`;
  if (status === 413) return `${host} takes no content of this size (nginx: client_max_body_size 0).`;
  if (status === 507) return `${host} is full.`;
  return `Try again later, or ask who runs ${host}.`;
}
