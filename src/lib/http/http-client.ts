/**
 * HTTP as the sources and drivers need it: one undici dispatcher, one request at a time, redirects followed by hand, and
 * every failure a ClipctlError. Retrying is a decision of the caller (http/retry.ts, http/resuming-body.ts).
 */
import type { Readable } from 'node:stream';
import type { Dispatcher as Undici } from 'undici';
import { ClipctlError } from '../errors.ts';
import { redactUrl } from '../redact.ts';
import { mayLead } from './may-lead.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { HostGates, Outcome } from './host-gates.ts';
import { networkError } from './network-error.ts';
import type { RateLimit } from './rate-limit.ts';
import { retryAfterMsOf } from './retry-after.ts';
import { SentBody, type RequestBody } from './request-body.ts';

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly url: URL;
  /** Lower-case names. `authorization` never leaves the origin of `url`. */
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Sent with its Content-Length, once: nothing here is retried. It follows a redirect (307, 308) to the same origin only. */
  readonly body?: RequestBody;
  /** 'same-origin' for what must not be led away (token requests); default: any origin. */
  readonly redirects?: 'any' | 'same-origin';
}

export interface HttpResponse {
  readonly status: number;
  /** Lower-case names; a repeated header is an array. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Must be read to its end or destroyed, else the connection stays taken. */
  readonly body: Readable;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
  /** How long its body may bring next to nothing (http/watched-body.ts); absent: for ever. */
  readonly idleMs?: number;
  /** What its pieces have to keep to. */
  readonly rate?: RateLimit;
}

export interface HttpClient {
  /**
   * Resolves with any status that is no redirect, as soon as it is there: a refusal may come while the body is still
   * being sent, and ends the sending once it has been read.
   * @throws ClipctlError NETWORK, TIMEOUT, REGISTRY_ERROR (redirects); what reading the request's body threw; the
   *   signal's reason when aborted
   */
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Whether a server at `from` may send us on to `to` (http/may-lead.ts). */
  mayLead(from: URL, to: URL): Promise<boolean>;
  /** Requests that went out, redirects and token requests included. */
  readonly requestCount: number;
}

const MAX_REDIRECTS = 10;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What may follow a redirect to another origin; everything else (credentials above all) stays. */
const PORTABLE_HEADERS: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'range', 'if-range', 'user-agent']);

/** A blob that arrives in another coding than its own has another digest. */
const DEFAULT_HEADERS = { 'user-agent': 'clipctl', 'accept-encoding': 'identity' };

/**
 * A client over connections that others may share; who made the dispatcher closes it.
 * @param gates waits where a host has asked to (http/host-gates.ts); absent: never
 */
export function createHttpClient(dispatcher: Dispatcher, gates?: HostGates): HttpClient {
  let requestCount = 0;
  const { idleMs, rate } = dispatcher;

  async function sendOnce(request: HttpRequest): Promise<HttpResponse> {
    const { url, method, signal } = request;
    signal.throwIfAborted();
    requestCount++;
    const sent = request.body === undefined ? undefined : new SentBody(request.body, dispatcher.rate);
    try {
      const agent = await dispatcher.open();
      const target = { origin: url.origin, path: url.pathname + url.search };
      const headers = { ...DEFAULT_HEADERS, ...request.headers, ...lengthOf(request) };
      // undici asks an iterable for its next piece when the socket has taken the last; its types know no iterable.
      const options: object = { ...target, method, headers, signal, body: sent ?? null };
      const answer = await agent.request(options as Undici.RequestOptions);
      // Whoever reads the body gets its errors; one that nobody reads may break without taking the process along.
      answer.body.on('error', () => undefined);
      const response = { status: answer.statusCode, headers: answer.headers, body: answer.body, url };
      return { ...response, ...(idleMs === undefined ? {} : { idleMs }), ...(rate === undefined ? {} : { rate }) };
    } catch (error) {
      if (!signal.aborted && sent?.failure !== undefined) throw sent.failure.error;
      throw networkError(error, url, signal);
    }
  }

  async function send(request: HttpRequest): Promise<HttpResponse> {
    let current = request;
    for (let hops = 0; hops <= MAX_REDIRECTS; hops++) {
      const response = await throughGate(gates, current, sendOnce);
      if (!REDIRECTS.has(response.status)) return response;
      const next = await redirected(current, response, dispatcher).catch((error: unknown) => {
        response.body.destroy();
        throw error;
      });
      await discardBody(response);
      current = next;
    }
    throw new ClipctlError('REGISTRY_ERROR', `${request.url.host}: more than ${MAX_REDIRECTS} redirects`);
  }

  return {
    send,
    mayLead: (from, to) => mayLead(from, to, dispatcher),
    get requestCount() {
      return requestCount;
    },
  };
}

type SendOnce = (request: HttpRequest) => Promise<HttpResponse>;

async function throughGate(gates: HostGates | undefined, request: HttpRequest, send: SendOnce): Promise<HttpResponse> {
  const leave = await gates?.enter(request.url.host, request.signal);
  let outcome: Outcome;
  try {
    const response = await send(request);
    outcome = { status: response.status, retryAfterMs: retryAfterMsOf(response.headers) };
    return response;
  } finally {
    leave?.(outcome);
  }
}

/** Reading on is cheaper than a new connection up to here, in bytes and in time. */
const MAX_DISCARD_BYTES = 64 * 1024;
const MAX_DISCARD_MS = 1000;

/** Lets go of an answer whose body nobody wants: a small one is read to its end, so that its connection can be used again. */
export async function discardBody(response: HttpResponse): Promise<void> {
  const { body } = response;
  if (Number(headerOf(response, 'content-length') ?? 0) > MAX_DISCARD_BYTES) body.destroy();
  if (body.destroyed) return;
  let seenBytes = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => body.destroy(), MAX_DISCARD_MS);
    body.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    body.on('data', (piece: Buffer) => {
      seenBytes += piece.byteLength;
      if (seenBytes > MAX_DISCARD_BYTES) body.destroy();
    });
  });
}

/** The one value of a header, or the first of several. */
export function headerOf(response: HttpResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function lengthOf({ body }: HttpRequest): Record<string, string> {
  return body === undefined ? {} : { 'content-length': String(body.sizeBytes) };
}

async function redirected(request: HttpRequest, response: HttpResponse, dispatcher: Dispatcher): Promise<HttpRequest> {
  const from = request.url;
  const location = headerOf(response, 'location') ?? '';
  if (location === '' || !URL.canParse(location, from.href)) throw refused(from, 'it redirects without a usable address');
  const to = new URL(location, from);
  if (to.protocol !== 'https:' && to.protocol !== from.protocol) throw refused(from, `it redirects to ${redactUrl(to)}: refused`);
  // 301 to 303 may turn a PUT into a GET, and bytes meant for one server go to no other.
  const isWrite = request.method !== 'GET' && request.method !== 'HEAD';
  if (isWrite && (to.origin !== from.origin || response.status < 307)) {
    throw refused(from, `it redirects a ${request.method} to ${redactUrl(to)}: refused`);
  }
  if (to.origin === from.origin) return { ...request, url: to };
  if (!(await mayLead(from, to, dispatcher)))
    throw refused(from, `it redirects to ${redactUrl(to)}, which is no public address: refused`);
  if (request.redirects === 'same-origin') throw refused(from, `it redirects to another server, ${redactUrl(to)}: refused`);
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => PORTABLE_HEADERS.has(name)));
  to.username = '';
  to.password = '';
  return { ...request, url: to, headers };
}

function refused(from: URL, problem: string): ClipctlError {
  return new ClipctlError('REGISTRY_ERROR', `${from.host}: ${problem}`, { details: { host: from.host } });
}
