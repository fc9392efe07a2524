/**
 * A remote cache on a web server (`http(s)://host/prefix`): `<prefix>/cas/<hex>` by GET, HEAD and PUT, as bazel-remote,
 * nginx WebDAV or any other server that stores what it is given. A server may ignore what we ask for: nothing is
 * believed that its answer does not say (RFC 9110 §14, §15.3.7).
 */
import type { Readable } from 'node:stream';
import { basicAuthorization } from '../../../auth/credentials.ts';
import { ClipctlError } from '../../../errors.ts';
import { parseContentRange } from '../../../http/content-range.ts';
import {
  createHttpClient,
  discardBody,
  headerOf,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
} from '../../../http/http-client.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import { redactUrl } from '../../../redact.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import { asGetContent } from '../../intercept.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { bodyOf, lengthOf, type BodyLimits } from './content-body.ts';
import { refusalOf } from './refusal.ts';
import { verifiedPieces } from '../../verified-pieces.ts';

/** Opens without a request. @throws ClipctlError USAGE */
export function openHttpRemote(url: URL, context: RemoteContext): ContentCache {
  return new HttpRemote(url, context);
}

/** What stands in the environment is not seen by others on the machine, as a command line is. */
const TOKEN_VARIABLE = 'CLIPCTL_HTTP_TOKEN';

class HttpRemote implements ContentCache {
  readonly url: string;
  readonly getContent = asGetContent((hash, options) => this.#get(hash, options));
  readonly #base: URL;
  readonly #http: HttpClient;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #secrets: readonly string[];
  /** Until the server has answered a range with something else than that range. */
  #ranges = true;
  /** Until the server has refused the method. */
  #deletes = true;

  constructor(url: URL, { dispatcher, environment }: RemoteContext) {
    const base = new URL(url);
    const token = environment[TOKEN_VARIABLE] ?? '';
    const login = { username: decoded(url.username), password: decoded(url.password) };
    base.username = '';
    base.password = '';
    base.pathname = base.pathname.replace(/\/*$/, '/');
    this.#base = base;
    this.url = redactUrl(base).replace(/\/$/, '');
    this.#http = createHttpClient(dispatcher);
    const hasLogin = login.username !== '' || login.password !== '';
    const authorization = hasLogin ? basicAuthorization(login) : token === '' ? undefined : `Bearer ${token}`;
    this.#headers = authorization === undefined ? {} : { authorization };
    this.#secrets = [token, login.password, url.password].filter((secret) => secret !== '');
  }

  get capabilities(): CacheCapabilities {
    return { ranges: this.#ranges, list: false, delete: this.#deletes, conditionalPut: false };
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const response = await this.#send({ method: 'HEAD', signal }, hash);
    await discardBody(response);
    if (isMissing(response)) return undefined;
    if (response.status !== 200) throw await this.#refusal(response, hash, signal);
    const sizeBytes = lengthOf(response);
    if (sizeBytes === undefined) throw broken(response, 'it does not say how long the content is');
    if (headerOf(response, 'accept-ranges') === 'none') this.#ranges = false;
    return { sizeBytes };
  }

  async #get(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    // One of its own: many readers would pile up listeners on the signal of the run.
    const signal = AbortSignal.any([options.signal]);
    const range = requireRange(options);
    if (range !== undefined) return this.#getRange(hash, { ...range, signal });
    const response = await this.#send({ method: 'GET', signal }, hash);
    if (isMissing(response)) return miss(response);
    if (response.status !== 200) throw await this.#refusal(response, hash, signal);
    return this.#bodyOf(response, { hash, sizeBytes: lengthOf(response), signal });
  }

  async #getRange(hash: ContentHash, { offset, length, signal }: CacheCallOptions & ContentRange): Promise<Readable | undefined> {
    // A range without bytes cannot be asked for, and one past the end is refused: the size says what is there.
    const info = await this.contentExists(hash, { signal });
    if (info === undefined) return undefined;
    const end = Math.min(offset + length, info.sizeBytes);
    if (end <= offset) return bodyOf(undefined, { sizeBytes: 0, signal });
    if (!this.#ranges) throw noRanges(this.url);
    const response = await this.#send({ method: 'GET', signal, headers: { range: `bytes=${offset}-${end - 1}` } }, hash);
    if (isMissing(response)) return miss(response);
    if (response.status === 206) return this.#bodyOfRange(response, { offset, end, sizeBytes: info.sizeBytes, signal });
    if (response.status !== 200) throw await this.#refusal(response, hash, signal);
    this.#ranges = false;
    response.body.destroy();
    throw noRanges(this.url);
  }

  #bodyOfRange(
    response: HttpResponse,
    wanted: { offset: number; end: number; sizeBytes: number; signal: AbortSignal },
  ): Readable {
    const { offset, end, sizeBytes, signal } = wanted;
    const range = parseContentRange(headerOf(response, 'content-range'));
    const isRight = range?.start === offset && range.end === end && (range.totalBytes ?? sizeBytes) === sizeBytes;
    if (isRight) return this.#bodyOf(response, { sizeBytes: end - offset, signal });
    this.#ranges = false;
    response.body.destroy();
    throw broken(response, 'it sent another range than it was asked for');
  }

  /** @throws ClipctlError REMOTE_FAILED: what is encoded is not the content */
  #bodyOf(response: HttpResponse, limits: BodyLimits): Readable {
    const coding = headerOf(response, 'content-encoding') ?? 'identity';
    const length = lengthOf(response);
    if (coding === 'identity' && (length ?? limits.sizeBytes) === limits.sizeBytes) return bodyOf(response, limits);
    response.body.destroy();
    throw broken(response, coding === 'identity' ? 'its answer has another length than it says' : 'its answer is encoded');
  }

  /** HEAD, then PUT: who stores the same at the same time writes the same bytes. */
  async storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    const { sizeBytes, signal, replace = false } = options;
    signal.throwIfAborted();
    if (!replace && (await this.contentExists(hash, { signal })) !== undefined) return { sentBytes: 0, chunks: 0, skipped: true };
    let chunks = 0;
    const open = (): AsyncIterable<Uint8Array> => {
      chunks = 0;
      return verifiedPieces(source, { hash, sizeBytes, signal, onChunk: () => (chunks += 1) });
    };
    const headers = { 'content-type': 'application/octet-stream' };
    const response = await this.#send({ method: 'PUT', headers, signal, body: { sizeBytes, open } }, hash);
    if (![200, 201, 204].includes(response.status)) throw await this.#refusal(response, hash, signal);
    await discardBody(response);
    return { sentBytes: sizeBytes, chunks, skipped: false };
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    const response = await this.#send({ method: 'DELETE', signal }, hash);
    if (response.status === 405 || response.status === 501) this.#deletes = false;
    if (!isMissing(response) && response.status >= 300) throw await this.#refusal(response, hash, signal);
    await discardBody(response);
    return !isMissing(response);
  }

  close(): Promise<void> {
    // The connections are the session's.
    return Promise.resolve();
  }

  #send(
    request: Omit<HttpRequest, 'url' | 'headers'> & { readonly headers?: Record<string, string> },
    hash: ContentHash,
  ): Promise<HttpResponse> {
    const url = new URL(`cas/${hash}`, this.#base);
    return this.#http.send({ ...request, url, headers: { ...request.headers, ...this.#headers } });
  }

  #refusal(response: HttpResponse, hash: ContentHash, signal: AbortSignal): Promise<ClipctlError> {
    const hasLogin = this.#headers['authorization'] !== undefined;
    return refusalOf(response, { what: `content ${hash.slice(0, 12)}…`, hasLogin, secrets: this.#secrets, signal });
  }
}

function isMissing({ status }: HttpResponse): boolean {
  return status === 404 || status === 410;
}

async function miss(response: HttpResponse): Promise<undefined> {
  await discardBody(response);
  return undefined;
}

function broken(response: HttpResponse, problem: string): ClipctlError {
  const { host } = response.url;
  return new ClipctlError('REMOTE_FAILED', `${host}: ${problem}`, { details: { host, status: response.status } });
}

function noRanges(url: string): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `${url} sends whole contents only`, { details: { url } });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray percent sign stands for itself.
    return text;
  }
}
