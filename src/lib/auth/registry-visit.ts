/** A visit to a registry that wants nothing but to know whether it would let us in (`doctor`): no layer is asked for. */
import { ClipctlError } from '../errors.ts';
import { discardBody, headerOf, type HttpResponse } from '../http/http-client.ts';
import { readBody } from '../http/read-body.ts';
import { retryAfterMsOf } from '../http/retry-after.ts';
import { MANIFEST_ACCEPT } from '../oci/media-types.ts';
import { redactUrl } from '../redact.ts';
import { Authorizer } from './authorizer.ts';
import { parseChallenges } from './challenge.ts';
import { secretsOf, type Credentials } from './credentials.ts';
import { parseQuota, type RegistryQuota } from './quota.ts';
import { findRegistryBase, type RegistryPlace } from './registry-base.ts';
import { refusalError } from './registry-errors.ts';

export interface VisitRequest extends RegistryPlace {
  /** An image to look for; absent: only the registry is asked. */
  readonly image?: { readonly repository: string; readonly name: string };
  readonly credentials: Credentials | undefined;
}

/** What was seen until the visit ended, well or not. */
export interface RegistryVisit {
  /** Scheme and host that were asked. */
  url?: string;
  /** From the question to the headers of the first answer. */
  ms?: number;
  /** How it wants to be logged in to. */
  auth?: 'none' | 'basic' | 'bearer' | 'other';
  /** The token server of a bearer login. */
  realm?: string;
  /** `anonymous`: let in without credentials. */
  login?: 'accepted' | 'anonymous' | 'refused';
  manifestDigest?: string;
  quota?: RegistryQuota;
  /** Its clock minus ours, as far as a Date header tells: whole seconds. */
  clockSkewMs?: number;
}

const MAX_ERROR_BODY_BYTES = 64 * 1024;

/**
 * Asks the registry's root, logs in where that is wanted, and looks for the image (HEAD, which no quota counts).
 * @param visit filled in on the way, so that a failure leaves what was seen before
 * @throws ClipctlError NETWORK, TIMEOUT, UNAUTHORIZED, FORBIDDEN, IMAGE_NOT_FOUND, RATE_LIMITED, REGISTRY_ERROR
 */
export async function visitRegistry(request: VisitRequest, visit: RegistryVisit): Promise<void> {
  const base = await findRegistryBase(request);
  visit.url = redactUrl(base);
  const visitor = new Visitor(request, visit);
  const root = await visitor.ask({ method: 'GET', url: new URL('v2/', base), what: 'its root', missing: 'REGISTRY_ERROR' });
  visit.auth ??= 'none';
  await discardBody(root);
  if (request.image === undefined) return;
  const { repository, name } = request.image;
  const url = new URL(`v2/${repository}/manifests/${name}`, base);
  const what = `manifest ${name} of ${repository}`;
  const found = await visitor.ask({ method: 'HEAD', url, what, missing: 'IMAGE_NOT_FOUND' });
  const digest = headerOf(found, 'docker-content-digest');
  if (digest !== undefined && /^[a-z0-9]{1,16}:[0-9a-f]{32,128}$/.test(digest)) visit.manifestDigest = digest;
  await discardBody(found);
}

interface Question {
  readonly method: 'GET' | 'HEAD';
  readonly url: URL;
  readonly what: string;
  readonly missing: 'REGISTRY_ERROR' | 'IMAGE_NOT_FOUND';
}

class Visitor {
  readonly #request: VisitRequest;
  readonly #visit: RegistryVisit;
  readonly #authorizer: Authorizer;

  constructor(request: VisitRequest, visit: RegistryVisit) {
    this.#request = request;
    this.#visit = visit;
    const { http, registry, image, credentials, signal } = request;
    this.#authorizer = new Authorizer({
      http,
      signal,
      name: image === undefined ? registry : `${registry}/${image.repository}`,
      scope: image === undefined ? undefined : `repository:${image.repository}:pull`,
      credentials: () => Promise.resolve(credentials),
      refusal: (response) => this.#refusal(response, { what: 'a token', missing: 'REGISTRY_ERROR', url: response.url }),
    });
  }

  /** A GET or HEAD that is logged in where it has to be. @returns an answer with status 200 */
  async ask(question: Question): Promise<HttpResponse> {
    const first = await this.#send(question);
    const response = first.status === 401 ? await this.#login(first, question) : first;
    if (response.status === 200) return response;
    if (response.status === 401 || response.status === 403) this.#visit.login = 'refused';
    throw await this.#refusal(response, question);
  }

  async #login(refused: HttpResponse, question: Question): Promise<HttpResponse> {
    this.#noteChallenge(refused);
    const sent = await this.#authorizer.authorization(this.#request.signal);
    let isWorthAnother: boolean;
    try {
      isWorthAnother = await this.#authorizer.answer(refused, sent, this.#request.signal);
    } catch (error) {
      if (isRefusal(error)) this.#visit.login = 'refused';
      throw error;
    }
    if (!isWorthAnother) return refused;
    await discardBody(refused);
    const response = await this.#send(question);
    if (response.status !== 401) this.#visit.login = this.#request.credentials === undefined ? 'anonymous' : 'accepted';
    return response;
  }

  async #send({ method, url }: Question): Promise<HttpResponse> {
    const { http, signal } = this.#request;
    const authorization = await this.#authorizer.authorization(signal);
    const login = authorization === undefined ? {} : { authorization };
    const startedMs = performance.now();
    const response = await http.send({ method, url, headers: { accept: MANIFEST_ACCEPT, ...login }, signal });
    this.#visit.ms ??= Math.round(performance.now() - startedMs);
    this.#noteHeaders(response);
    return response;
  }

  #noteHeaders(response: HttpResponse): void {
    const quota = parseQuota((name) => headerOf(response, name));
    if (quota !== undefined) this.#visit.quota = quota;
    const serverMs = Date.parse(headerOf(response, 'date') ?? '');
    if (Number.isFinite(serverMs)) this.#visit.clockSkewMs ??= Math.trunc((serverMs - Date.now()) / 1000) * 1000;
  }

  #noteChallenge(response: HttpResponse): void {
    const challenges = parseChallenges([response.headers['www-authenticate'] ?? []].flat().join(', '));
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer');
    const realm = bearer?.parameters.get('realm');
    if (bearer !== undefined) this.#visit.auth = 'bearer';
    else this.#visit.auth = challenges.some(({ scheme }) => scheme === 'basic') ? 'basic' : 'other';
    if (realm !== undefined) this.#visit.realm = redactUrl(realm);
  }

  async #refusal(response: HttpResponse, { what, missing, url: asked }: Omit<Question, 'method'>): Promise<ClipctlError> {
    const { credentials, signal } = this.#request;
    this.#noteHeaders(response);
    const { bytes } = await readBody(response, MAX_ERROR_BODY_BYTES, signal);
    return refusalError({
      host: response.url.host,
      what,
      status: response.status,
      missing,
      retryAfterMs: retryAfterMsOf(response.headers),
      // Who we were led to may quote the signature of the address.
      ...(response.url.origin === asked.origin ? { body: bytes } : { redirectedBy: asked.host }),
      secrets: [...(credentials === undefined ? [] : secretsOf(credentials)), ...this.#authorizer.secrets],
      hasCredentials: credentials !== undefined,
    });
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ClipctlError && (error.code === 'UNAUTHORIZED' || error.code === 'FORBIDDEN');
}
