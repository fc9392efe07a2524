/** Keeps one registry and repository logged in: the Authorization header to send, renewed when the registry asks. */
import type { HttpClient, HttpResponse } from '../http/http-client.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import { fetchBearerToken, type BearerToken, type TokenRequest } from './bearer-token.ts';
import { parseChallenges, type Challenge } from './challenge.ts';
import { basicAuthorization, type CredentialProvider } from './credentials.ts';

export interface AuthorizerOptions {
  readonly http: HttpClient;
  /** `registry/repository`, what credentials are looked up by. */
  readonly name: string;
  readonly scope: string;
  readonly credentials: CredentialProvider;
  readonly refusal: TokenRequest['refusal'];
  /** Of the whole source: a token serves many requests, and one reader that leaves must not take it from the others. */
  readonly signal: AbortSignal;
}

type Grant = { readonly authorization: string; readonly token?: BearerToken };

export class Authorizer {
  readonly #options: AuthorizerOptions;
  #grant: Grant | undefined;
  #challenge: { readonly challenge: Challenge; readonly registryUrl: URL } | undefined;
  /** The renewal under way: all requests that need one wait for the same. */
  #renewal: Promise<Grant | undefined> | undefined;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
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
   * Takes a 401 to a request that carried `sent`.
   * @returns whether it is worth asking again
   */
  async answer(response: HttpResponse, sent: string | undefined, signal: AbortSignal): Promise<boolean> {
    // Somebody else may have renewed while this request was under way.
    if (this.#grant !== undefined && this.#grant.authorization !== sent) return true;
    const challenge = pickChallenge([response.headers['www-authenticate'] ?? []].flat().join(', '));
    if (challenge === undefined) return false;
    this.#challenge = { challenge, registryUrl: response.url };
    this.#grant = undefined;
    const grant = await this.#renew(signal);
    return grant !== undefined && grant.authorization !== sent;
  }

  async #renew(signal: AbortSignal): Promise<Grant | undefined> {
    this.#renewal ??= this.#obtain().finally(() => (this.#renewal = undefined));
    this.#grant = await waitOrAbort(this.#renewal, signal);
    return this.#grant;
  }

  async #obtain(): Promise<Grant | undefined> {
    if (this.#challenge === undefined) return undefined;
    const { challenge, registryUrl } = this.#challenge;
    const credentials = await this.#options.credentials(this.#options.name);
    if (challenge.scheme === 'basic') {
      return credentials === undefined ? undefined : { authorization: basicAuthorization(credentials) };
    }
    const { http, scope, refusal, signal } = this.#options;
    const token = await fetchBearerToken({ challenge, registryUrl, scope, credentials, http, signal, refusal });
    return { authorization: `Bearer ${token.value}`, token };
  }
}

/** Bearer before Basic: it is what a registry with both prefers. */
function pickChallenge(header: string): Challenge | undefined {
  const challenges = parseChallenges(header);
  return challenges.find(({ scheme }) => scheme === 'bearer') ?? challenges.find(({ scheme }) => scheme === 'basic');
}
