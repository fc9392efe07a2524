/** Gets a bearer token for pulling (distribution specification, "Token Authentication"). */
import { ClipctlError } from '../errors.ts';
import type { HttpClient, HttpRequest, HttpResponse } from '../http/http-client.ts';
import { readBody } from '../http/read-body.ts';
import { bodyOfBytes, type RequestBody } from '../http/request-body.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { parseStrictJson } from '../oci/strict-json.ts';
import { redactUrl } from '../redact.ts';
import type { Challenge } from './challenge.ts';
import { basicAuthorization, isIdentityToken, type IdentityToken, type PasswordCredentials } from './credentials.ts';

export interface BearerToken {
  readonly value: string;
  /** On the clock of `performance.now()`: a machine's clock may be wrong, its durations are not. */
  readonly expiresAtMs: number;
}

export interface TokenRequest {
  readonly challenge: Challenge;
  /** Of the registry that sent the challenge. */
  readonly registryUrl: URL;
  /** `repository:NAME:pull`; undefined asks for a login and nothing else. */
  readonly scope: string | undefined;
  readonly credentials: PasswordCredentials | IdentityToken | undefined;
  readonly http: HttpClient;
  readonly signal: AbortSignal;
  /** Turns a refusal of the token server into an error; takes the body. */
  readonly refusal: (response: HttpResponse) => Promise<ClipctlError>;
}

const MAX_TOKEN_BYTES = 1024 * 1024;
/** What the specification has when `expires_in` is absent. */
const DEFAULT_LIFE_SECONDS = 60;

/**
 * Asks the realm of a challenge.
 * @throws ClipctlError UNAUTHORIZED for a realm that must not see credentials, REGISTRY_ERROR for a bad answer, what `refusal` makes
 */
export async function fetchBearerToken(request: TokenRequest): Promise<BearerToken> {
  const { challenge, registryUrl, scope, credentials, http, signal } = request;
  const url = await realmOf(challenge, registryUrl, http);
  const service = challenge.parameters.get('service');
  const parameters = new URLSearchParams({
    ...(service === undefined ? {} : { service }),
    ...(scope === undefined ? {} : { scope }),
  });
  const startedAtMs = performance.now();
  const asked = { url, signal, redirects: 'same-origin' } as const;
  const response =
    credentials !== undefined && isIdentityToken(credentials)
      ? await http.send({ ...asked, ...refreshGrant(credentials.identityToken, parameters) })
      : await http.send({ ...asked, ...tokenQuery(url, parameters, credentials) });
  if (response.status !== 200) throw await request.refusal(response);
  const { bytes } = await readBody(response, MAX_TOKEN_BYTES, signal);
  return readToken(bytes, url.host, startedAtMs);
}

type TokenCall = Pick<HttpRequest, 'method' | 'url' | 'headers'> & { readonly body?: RequestBody };

function tokenQuery(realm: URL, parameters: URLSearchParams, credentials: PasswordCredentials | undefined): TokenCall {
  const url = new URL(realm);
  for (const [name, value] of parameters) url.searchParams.set(name, value);
  const login = credentials === undefined ? {} : { authorization: basicAuthorization(credentials) };
  return { method: 'GET', url, headers: { accept: 'application/json', ...login } };
}

/** The OAuth2 way (distribution specification, "Token Authentication: OAuth2"; RFC 6749 §6). */
function refreshGrant(identityToken: string, parameters: URLSearchParams): Omit<TokenCall, 'url'> {
  const form = new URLSearchParams(parameters);
  form.set('grant_type', 'refresh_token');
  form.set('client_id', 'clipctl');
  form.set('refresh_token', identityToken);
  const body = bodyOfBytes(Buffer.from(form.toString()));
  const headers = { accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded' };
  return { method: 'POST', headers, body };
}

/** The realm as the registry names it; never a way down from TLS to plain HTTP, nor into a network that is not the registry's. */
async function realmOf(challenge: Challenge, registryUrl: URL, http: HttpClient): Promise<URL> {
  const realm = challenge.parameters.get('realm') ?? '';
  if (!URL.canParse(realm)) throw refused(registryUrl, 'names no usable token server');
  const url = new URL(realm);
  const isDowngrade = url.protocol !== 'https:' && (registryUrl.protocol === 'https:' || url.protocol !== 'http:');
  if (isDowngrade) throw refused(registryUrl, `wants to be logged in to over ${redactUrl(url)}, which is not TLS: refused`);
  if (url.protocol === 'http:' && url.hostname !== registryUrl.hostname) {
    throw refused(registryUrl, `wants credentials sent to another host over plain HTTP, ${redactUrl(url)}: refused`);
  }
  if (!(await http.mayLead(registryUrl, url))) {
    throw refused(registryUrl, `wants credentials sent to ${redactUrl(url)}, which is no public address: refused`);
  }
  url.username = '';
  url.password = '';
  url.hash = '';
  return url;
}

function readToken(bytes: Buffer, host: string, startedAtMs: number): BearerToken {
  const options = { what: `token of ${host}`, code: 'REGISTRY_ERROR', maxBytes: MAX_TOKEN_BYTES } as const;
  const answer = new FieldReader(parseStrictJson(bytes, options), options);
  const value = answer.optionalString('token') ?? answer.optionalString('access_token') ?? '';
  // What is put into a header must not be able to start another one.
  if (!/^[\x21-\x7e]{1,65536}$/.test(value)) throw new ClipctlError('REGISTRY_ERROR', `${host} sent no usable token`);
  const lifeSeconds = answer.has('expires_in') ? answer.count('expires_in') : DEFAULT_LIFE_SECONDS;
  // A tenth early: a token must not die on its way.
  return { value, expiresAtMs: startedAtMs + lifeSeconds * 900 };
}

function refused(registryUrl: URL, problem: string): ClipctlError {
  return new ClipctlError('UNAUTHORIZED', `${registryUrl.host} ${problem}`, {
    details: { host: registryUrl.host },
    hint: 'The registry or something in between is set up wrongly; nothing was sent.',
  });
}
