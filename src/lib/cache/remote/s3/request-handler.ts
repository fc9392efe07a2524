/**
 * How the SDK sends: over the connections of the process (so certificates, proxies and timeouts are those of every other
 * request), bodies piece by piece out of the memory budget, and answers under a cap before anything parses them.
 */
import { Readable } from 'node:stream';
import type { Dispatcher as Undici } from 'undici';
import { ClipctlError } from '../../../errors.ts';
import type { Dispatcher } from '../../../http/dispatcher.ts';
import { networkError } from '../../../http/network-error.ts';
import { readBody } from '../../../http/read-body.ts';
import { SentBody } from '../../../http/request-body.ts';
import { PieceBody } from './piece-body.ts';

/** What the SDK hands to its request handler, as far as it is used here. */
interface SdkRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly path: string;
  readonly query: Readonly<Record<string, string | readonly string[] | null>>;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

interface SdkResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Readable;
}

/** Given to the SDK's client, which destroys nothing of it: the connections belong to the process. */
type SdkHandler = Readonly<Record<string, unknown>> & {
  handle(request: SdkRequest, options?: { readonly abortSignal?: unknown }): Promise<{ readonly response: SdkResponse }>;
};

/** A list of 1000 keys of the longest kind is 1.5 MiB. */
const MAX_XML_BYTES = 4 * 1024 * 1024;
/** S3 knows no document type; one that is sent declares entities to blow up (RELIABILITY §1.3 row 32). */
const DECLARATION = /<!(?:DOCTYPE|ENTITY)/i;
/** Times the timeout. */
const COMPLETION_PATIENCE = 20;

export interface SdkHandlerOptions {
  readonly dispatcher: Dispatcher;
  /** Give up when no byte moved for so long. */
  readonly timeoutMs: number;
}

/** A request handler for an SDK client. Its errors are ClipctlErrors. */
export function createSdkHandler(options: SdkHandlerOptions): SdkHandler {
  return {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: async (request, { abortSignal } = {}) => ({
      response: await exchange(request, asSignal(abortSignal), options),
    }),
    destroy: () => undefined,
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
}

/**
 * A signal of the request alone: a run has one for all, and Node warns when more than ten listen to that. The SDK knows an
 * older kind of signal too; it is only ever given real ones.
 */
function asSignal(signal: unknown): AbortSignal {
  return AbortSignal.any(signal instanceof AbortSignal ? [signal] : []);
}

async function exchange(request: SdkRequest, signal: AbortSignal, options: SdkHandlerOptions): Promise<SdkResponse> {
  const url = urlOf(request);
  const body = bodyFor(request.body);
  signal.throwIfAborted();
  try {
    const agent = await options.dispatcher.open();
    const timeoutMs = options.timeoutMs * (isCompletion(request) ? COMPLETION_PATIENCE : 1);
    const sent: object = {
      origin: url.origin,
      path: url.pathname + url.search,
      method: request.method,
      headers: { ...request.headers, 'accept-encoding': 'identity' },
      body,
      signal,
      headersTimeout: timeoutMs,
      bodyTimeout: timeoutMs,
    };
    // undici asks an iterable for its next piece when the socket has taken the last; its types know no iterable.
    const answer = await agent.request(sent as Undici.RequestOptions);
    // Whoever reads the body gets its errors; one that nobody reads may break without taking the process along.
    answer.body.on('error', () => undefined);
    const headers = joined(answer.headers);
    const isContent = request.query['x-id'] === 'GetObject' && answer.statusCode < 300;
    const answered = isContent ? contentOf(answer.body, headers, url) : await documentOf(answer, url, signal);
    return { statusCode: answer.statusCode, headers, body: answered };
  } catch (error) {
    if (!signal.aborted && body instanceof SentBody && body.failure !== undefined) throw body.failure.error;
    throw networkError(error, url, signal);
  }
}

/** A server that joins the parts of 10 GB says nothing meanwhile. */
function isCompletion({ method, query }: SdkRequest): boolean {
  return method === 'POST' && 'uploadId' in query;
}

type Answer = Parameters<typeof readBody>[0]['body'];

/** Content goes on as it comes. */
function contentOf(body: Answer, headers: Readonly<Record<string, string>>, url: URL): Readable {
  const encoding = headers['content-encoding'] ?? '';
  if (!/^(?:identity|gzip|deflate|br|zstd|compress)$/i.test(encoding) || encoding === 'identity') return body;
  body.destroy();
  throw new ClipctlError('REMOTE_FAILED', `${url.host} sent content encoded as ${encoding}, which was not asked for`);
}

/** Everything else is a small document. */
async function documentOf(answer: { statusCode: number; body: Answer }, url: URL, signal: AbortSignal): Promise<Readable> {
  const start = await readBody({ status: answer.statusCode, headers: {}, body: answer.body, url }, MAX_XML_BYTES, signal);
  if (!start.isWhole) throw unreadable(url, 'is larger than 4 MiB');
  if (DECLARATION.test(start.bytes.toString('latin1'))) throw unreadable(url, 'declares a document type');
  return Readable.from([start.bytes], { objectMode: false });
}

function unreadable(url: URL, what: string): ClipctlError {
  return new ClipctlError('REMOTE_FAILED', `the answer of ${url.host} ${what}: that is no S3 answer`);
}

function bodyFor(body: unknown): SentBody | Uint8Array | string | null {
  if (body instanceof PieceBody) return new SentBody(body.request);
  if (body === undefined || body === null) return null;
  if (typeof body === 'string' || body instanceof Uint8Array) return body;
  throw new ClipctlError('INTERNAL', 'an S3 request has a body of an unknown kind');
}

function urlOf({ protocol, hostname, port, path, query }: SdkRequest): URL {
  const url = new URL(`${protocol}//${hostname}${port === undefined ? '' : `:${port}`}${path}`);
  const pairs = Object.entries(query).flatMap(([name, value]) =>
    [value].flat().map((each) => (each === null ? encode(name) : `${encode(name)}=${encode(each)}`)),
  );
  url.search = pairs.length === 0 ? '' : `?${pairs.join('&')}`;
  return url;
}

/** As the signature encodes (SigV4, "UriEncode"). */
function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value === undefined ? [] : [[name.toLowerCase(), Array.isArray(value) ? value.join(', ') : value]],
    ),
  );
}
