/** Login of the loopback registry: Basic, or bearer tokens from its own /token. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { RecordedRequest } from './loopback-request.ts';

export type LoopbackAuth =
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | {
      readonly kind: 'bearer';
      /** Absent: anybody gets a token. */
      readonly username?: string;
      readonly password?: string;
      /** What the server keeps to; `expires_in` says the same unless `claimedSeconds` is there. */
      readonly lifeSeconds?: number;
      readonly claimedSeconds?: number;
      /** Named in the challenge instead of our own. */
      readonly realm?: string;
      /** Given for `grant_type=refresh_token` with this token, by POST. */
      readonly identityToken?: string;
      /** A token that is good for ever, whoever got it. */
      readonly registryToken?: string;
      /** What a dead token is answered with; a missing one is always 401. */
      readonly refuseDeadWith?: 401 | 403;
    };

interface AuthExchange {
  readonly auth: LoopbackAuth;
  /** Token → when it dies (`performance.now()`). */
  readonly tokens: Map<string, number>;
  readonly recorded: RecordedRequest;
  readonly response: ServerResponse;
}

/** Lets a request pass, or answers it with 401 and a challenge. */
export function authorize({
  auth,
  tokens,
  recorded,
  response,
  registryUrl,
}: AuthExchange & { readonly registryUrl: string }): boolean {
  const sent = String(recorded.headers['authorization'] ?? '');
  if (auth.kind === 'basic') {
    if (sent === basic(auth)) return true;
    challenge(response, 'Basic realm="loopback"');
    return false;
  }
  if (auth.registryToken !== undefined && sent === `Bearer ${auth.registryToken}`) return true;
  const diesAtMs = sent.startsWith('Bearer ') ? tokens.get(sent.slice('Bearer '.length)) : undefined;
  if (diesAtMs !== undefined && performance.now() < diesAtMs) return true;
  if (diesAtMs !== undefined && auth.refuseDeadWith === 403) {
    response.writeHead(403, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'DENIED', message: 'Your authorization token has expired.' }] }));
    return false;
  }
  const repository = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(recorded.path)?.[1] ?? '';
  const realm = auth.realm ?? `${registryUrl}/token`;
  challenge(response, `Bearer realm="${realm}",service="loopback",scope="repository:${repository}:pull"`);
  return false;
}

/** Answers /token. */
export function grantToken({ auth, tokens, recorded, response }: AuthExchange): void {
  if (auth.kind !== 'bearer') return;
  const refresh = new URLSearchParams(recorded.body).get('refresh_token');
  const isKnown = auth.identityToken !== undefined && refresh === auth.identityToken;
  if (!isKnown && auth.username !== undefined && recorded.headers['authorization'] !== basic(auth)) {
    response.writeHead(401, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'incorrect username or password' }] }));
    return;
  }
  const token = randomBytes(24).toString('hex');
  const lifeSeconds = auth.lifeSeconds ?? 300;
  tokens.set(token, performance.now() + lifeSeconds * 1000);
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ token, expires_in: auth.claimedSeconds ?? lifeSeconds }));
}

function basic({ username = '', password = '' }: { readonly username?: string; readonly password?: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
}

function challenge(response: ServerResponse, header: string): void {
  const body = JSON.stringify({ errors: [{ code: 'UNAUTHORIZED', message: 'authentication required' }] });
  response.writeHead(401, { 'www-authenticate': header, 'content-type': 'application/json' }).end(body);
}
