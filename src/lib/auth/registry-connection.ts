/** One repository of one registry over HTTP: base address, login, refusals as errors. Retrying is the caller's. */
import { Authorizer } from './authorizer.ts';
import { secretsOf, type CredentialProvider } from './credentials.ts';
import type { ClipctlError, ErrorCode } from '../errors.ts';
import { discardBody, type HttpRequest, type HttpResponse } from '../http/http-client.ts';
import { holdBody, readBody } from '../http/read-body.ts';
import type { RequestBody } from '../http/request-body.ts';
import { retryAfterMsOf } from '../http/retry-after.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import { findRegistryBase, type RegistryPlace } from './registry-base.ts';
import { refusalError, type RegistryCode } from './registry-errors.ts';

export interface ConnectionOptions extends RegistryPlace {
  readonly repository: string;
  readonly credentials: CredentialProvider;
  /** What is done there: `pull` unless told. */
  readonly actions?: 'pull' | 'pull,push';
}

export interface RegistryRequest {
  /** `manifests/latest`, `blobs/sha256:…`; parsed parts only. */
  readonly path: string;
  readonly what: string;
  readonly missing: ErrorCode;
  /** Codes of the specification that say here what passes by itself: such a refusal is retryable. */
  readonly passing?: readonly RegistryCode[];
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A request that may write. */
export interface RegistryWrite extends RegistryRequest {
  readonly method: HttpRequest['method'];
  /** Opened again when the registry asks for a login first. */
  readonly body?: RequestBody;
  /** Where an upload goes on, of the registry's own origin; else `path` says it. */
  readonly location?: URL;
  /** Statuses that are no refusal. */
  readonly accepted: readonly number[];
}

const MAX_ERROR_BODY_BYTES = 64 * 1024;
/** Parameters of presigned addresses, at S3, Google, Azure and CDNs, and of uploads (docker-registry). */
const SIGNATURES = /sig|token|credential|key|policy|auth|state/i;
/** The first, and one more with credentials or a token that were looked up afresh. */
const MAX_LOGINS = 2;
const READ_STATUSES: readonly number[] = [200, 206, 416];

export class RegistryConnection {
  readonly #options: ConnectionOptions;
  readonly #authorizer: Authorizer;
  /** For DELETE: docker-registry wants a right of its own for it, others know none and refuse who asks (Quay). */
  readonly #deleter: Authorizer;
  #base: Promise<URL> | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const { http, registry, repository, credentials, signal, actions = 'pull' } = options;
    const request = { what: `a token for ${repository}`, missing: 'REGISTRY_ERROR', signal } as const;
    const asking = {
      http,
      credentials,
      signal,
      name: `${registry}/${repository}`,
      refusal: (response: HttpResponse) => this.#refusal(response, request),
    };
    const scope = `repository:${repository}:${actions}`;
    this.#authorizer = new Authorizer({ ...asking, scope });
    this.#deleter = new Authorizer({ ...asking, scope: (asked) => (namesDelete(asked) ? `${scope},delete` : scope) });
  }

  /**
   * One GET, logged in when the registry wants it.
   * @returns an answer with status 200, 206 or 416
   * @throws ClipctlError UNAUTHORIZED, FORBIDDEN, RATE_LIMITED, REGISTRY_ERROR, NETWORK, TIMEOUT, `request.missing`
   */
  get(request: RegistryRequest): Promise<HttpResponse> {
    return this.send({ ...request, method: 'GET', accepted: READ_STATUSES });
  }

  /**
   * One request, logged in when the registry wants it.
   * @returns an answer with one of the accepted statuses
   * @throws ClipctlError as `get` does; what reading the body throws
   */
  async send(request: RegistryWrite): Promise<HttpResponse> {
    const { signal } = request;
    const url = request.location ?? new URL(`v2/${this.#options.repository}/${request.path}`, await this.#baseUrl(signal));
    const authorizer = request.method === 'DELETE' ? this.#deleter : this.#authorizer;
    let isAddressFresh = false;
    for (let logins = 0; ; logins++) {
      const sent = await authorizer.authorization(signal);
      let response = await this.#send(url, request, sent);
      if (isDeadAddress(response, url) && !isAddressFresh) {
        isAddressFresh = true;
        await discardBody(response);
        response = await this.#send(url, request, sent);
      }
      // A 401 from where a redirect led is not the registry's: it must not choose who gets the credentials. Some
      // registries answer 403 to a token that died (ECR, Artifact Registry); to one that is new a 403 means no.
      const mayBeLogin = response.status === 401 || (response.status === 403 && sent !== undefined && logins === 0);
      if (!mayBeLogin || response.url.origin !== url.origin || logins === MAX_LOGINS) return this.#accept(response, request, url);
      const held = await holdBody(response, MAX_ERROR_BODY_BYTES, signal);
      if (!(await authorizer.answer(held, sent, signal))) return this.#accept(held, request, url);
    }
  }

  #send(url: URL, { method, headers, signal, body }: RegistryWrite, authorization: string | undefined): Promise<HttpResponse> {
    const login = authorization === undefined ? {} : { authorization };
    const sent = { method, url, headers: { ...headers, ...login }, signal, ...(body === undefined ? {} : { body }) };
    return this.#options.http.send(sent);
  }

  async #accept(response: HttpResponse, request: RegistryWrite, asked: URL): Promise<HttpResponse> {
    if (request.accepted.includes(response.status)) return response;
    throw await this.#refusal(response, request, asked.origin === response.url.origin ? undefined : asked.host);
  }

  /** @param redirectedBy the host that was asked, when another one answered */
  async #refusal(
    response: HttpResponse,
    request: Pick<RegistryRequest, 'what' | 'missing' | 'passing' | 'signal'>,
    redirectedBy?: string,
  ): Promise<ClipctlError> {
    const { what, missing, passing, signal } = request;
    const { registry, repository, credentials } = this.#options;
    const { bytes } = await readBody(response, MAX_ERROR_BODY_BYTES, signal);
    const found = await credentials(`${registry}/${repository}`);
    return refusalError({
      host: response.url.host,
      what,
      status: response.status,
      missing,
      passing,
      retryAfterMs: retryAfterMsOf(response.headers),
      body: bytes,
      secrets: [
        ...(found === undefined ? [] : secretsOf(found)),
        ...this.#authorizer.secrets,
        ...this.#deleter.secrets,
        ...signatureIn(response.url),
      ],
      hasCredentials: found !== undefined,
      redirectedBy,
    });
  }

  #baseUrl(signal: AbortSignal): Promise<URL> {
    this.#base ??= findRegistryBase(this.#options).catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    return waitOrAbort(this.#base, signal);
  }
}

/** @param scope as a challenge has it: `repository:NAME:delete`, several with spaces between */
function namesDelete(scope: string): boolean {
  return scope.split(' ').some((each) => each.split(':').at(-1)?.split(',').includes('delete') === true);
}

/** What storages say of an address that is too old: 403 at S3 and Azure, 400 at Google and for tokens of S3. */
const REFUSALS_OF_ADDRESSES: ReadonlySet<number> = new Set([400, 403]);

/**
 * Where the registry sent us on to refuses: what it had signed may be too old by now, at a cache of redirects or after a
 * wait. A new address costs one request.
 */
function isDeadAddress({ status, url }: HttpResponse, asked: URL): boolean {
  return REFUSALS_OF_ADDRESSES.has(status) && url.origin !== asked.origin;
}

/** What signs an address that we were sent on to: whoever answers there may quote it. */
function signatureIn({ searchParams }: URL): readonly string[] {
  return [...searchParams].flatMap(([name, value]) => (SIGNATURES.test(name) ? [value] : []));
}
