/** Keeps one registry and repository logged in: the Authorization header to send, renewed when the registry asks. */
import type { HttpClient, HttpResponse } from '../http/http-client.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import { fetchBearerToken, type BearerToken, type TokenRequest } from './bearer-token.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import {
  basicAuthorization,
  isIdentityToken,
  isRegistryToken,
  type CredentialProvider,
  type Credentials,
} from './credentials.ts';

export interface AuthorizerOptions {
  readonly http: HttpClient;
  /** `registry/repository`, what credentials are looked up by. */
  readonly name: string;
  /** What a token shall be for; a function is told what the registry asks for. */
  readonly scope: TokenRequest['scope'] | ((asked: string) => string);
  readonly credentials: CredentialProvider;
  readonly refusal: TokenRequest['refusal'];
  /** Of the whole source: a token serves many requests, and one reader that leaves must not take it from the others. */
  readonly signal: AbortSignal;
}

/** An answer that quotes a token is to one of the last. */
const KEPT_TOKENS = 8;

type Grant = { readonly authorization: string; readonly token?: BearerToken };

export class Authorizer {
  readonly #options: AuthorizerOptions;
  #grant: Grant | undefined;
  /** The last tokens that were handed out. */
  readonly #tokens: string[] = [];
  #challenge: { readonly challenge: Challenge; readonly registryUrl: URL } | undefined;
  /** The renewal under way: all requests that need one wait for the same. */
  #renewal: Promise<Grant | undefined> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** What no output may show. */
  get secrets(): readonly string[] {
    return this.#tokens;
  }

  /**
   * The header for the next request; undefined while the registry has not asked. Renews a token that is about to die.
   * @throws ClipctlError what fetching a token throws
   */
  async authorization(signal: AbortSignal): Promise<string | undefined> {
    const token = this.#grant?.token;
    if (token !== undefined && performance.now() >= token.expiresAtMs) this.#grant = undefined;
    if (this.#grant === undefined && this.#challenge !== undefined) await this.#renew(signal);
    return this.#grant?.authorization;
  }

  /**
   * Takes a 401 to a request that carried `sent`, or the 403 with which some registries answer a token that died.
   * @returns whether it is worth asking again
   */
  async answer(response: HttpResponse, sent: string | undefined, signal: AbortSignal): Promise<boolean> {
    // Somebody else may have renewed while this request was under way.
    if (this.#grant !== undefined && this.#grant.authorization !== sent) return true;
    const challenge = pickChallenge([response.headers['www-authenticate'] ?? []].flat().join(', '));
    if (challenge !== undefined) this.#challenge = { challenge, registryUrl: response.url };
    else if (response.status === 401 || this.#challenge?.challenge.scheme !== 'bearer') return false;
    this.#grant = undefined;
    const grant = await this.#renew(signal, sent !== undefined);
    return grant !== undefined && grant.authorization !== sent;
  }

  /** @param wasRefused what credentials gave before is no longer taken: a helper may have fresher ones */
  async #renew(signal: AbortSignal, wasRefused = false): Promise<Grant | undefined> {
    this.#renewal ??= this.#obtain(wasRefused).finally(() => (this.#renewal = undefined));
    this.#grant = await waitOrAbort(this.#renewal, signal);
    return this.#grant;
  }

  async #obtain(fresh: boolean): Promise<Grant | undefined> {
    if (this.#challenge === undefined) return undefined;
    const { challenge, registryUrl } = this.#challenge;
    const credentials = await this.#options.credentials(this.#options.name, { fresh });
    if (challenge.scheme === 'basic') return basicGrant(credentials);
    if (credentials !== undefined && isRegistryToken(credentials))
      return { authorization: `Bearer ${credentials.registryToken}` };
    const { http, refusal, signal } = this.#options;
    const scope = this.#scopeFor(challenge);
    const token = await fetchBearerToken({ challenge, registryUrl, scope, credentials, http, signal, refusal });
    this.#tokens.push(token.value);
    if (this.#tokens.length > KEPT_TOKENS) this.#tokens.shift();
    return { authorization: `Bearer ${token.value}`, token };
  }

  #scopeFor({ parameters }: Challenge): string | undefined {
    const { scope } = this.#options;
    return typeof scope === 'function' ? scope(parameters.get('scope') ?? '') : scope;
  }
}

/** A token is no password: sent as one it would be shown to a server that has no use for it. */
function basicGrant(credentials: Credentials | undefined): Grant | undefined {
  if (credentials === undefined || isIdentityToken(credentials) || isRegistryToken(credentials)) return undefined;
  return { authorization: basicAuthorization(credentials) };
}

/** Bearer before Basic: it is what a registry with both prefers. */
function pickChallenge(header: string): Challenge | undefined {
  const challenges = parseChallenges(header);
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic');
}
