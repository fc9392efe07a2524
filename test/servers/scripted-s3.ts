/**
 * A server of ours that speaks just enough S3 to store, read, list and abort, and does wrong what a test tells it to.
 * Signatures are not checked: S3Proxy and swift do that.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface S3Call {
  readonly method: string;
  /** Without the bucket. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  /** How many calls of this method and key came before. */
  readonly before: number;
}

export interface S3Fault {
  readonly status?: number;
  readonly code?: string;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Break the connection after so many bytes of the request's body. */
  readonly resetAt?: number;
  /** Send this content instead. */
  readonly content?: Buffer;
  /** Never answer. */
  readonly hang?: boolean;
}

export interface ScriptedS3 {
  readonly endpoint: string;
  readonly bucket: string;
  readonly environment: { readonly AWS_ACCESS_KEY_ID: string; readonly AWS_SECRET_ACCESS_KEY: string };
  readonly calls: readonly S3Call[];
  readonly objects: ReadonlyMap<string, Buffer>;
  /** Ids of uploads that were neither completed nor aborted. */
  openUploads(): string[];
  close(): Promise<void>;
}

export interface ScriptedOptions {
  readonly faultOf?: (call: S3Call) => S3Fault | undefined;
  /** Counts and hashes what comes, and keeps none of it. */
  readonly isSink?: boolean;
}

interface State {
  readonly calls: S3Call[];
  readonly objects: Map<string, Buffer>;
  readonly uploads: Map<string, Map<number, Buffer>>;
  readonly options: ScriptedOptions;
}

export async function startScriptedS3(options: ScriptedOptions = {}): Promise<ScriptedS3> {
  const state: State = { calls: [], objects: new Map(), uploads: new Map(), options };
  const server = createServer((request, response) => {
    answer(state, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: 'layers',
    environment: { AWS_ACCESS_KEY_ID: 'scripted-identity', AWS_SECRET_ACCESS_KEY: 'scripted-secret-canary' },
    calls: state.calls,
    objects: state.objects,
    openUploads: () => [...state.uploads.keys()],
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function answer(state: State, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://scripted');
  const [, , ...names] = url.pathname.split('/').map(decodeURIComponent);
  const key = names.join('/');
  const method = request.method ?? '';
  const before = state.calls.filter((call) => call.method === method && call.key === key).length;
  const call: S3Call = { method, key, query: url.searchParams, headers: request.headers, before };
  state.calls.push(call);
  const fault = state.options.faultOf?.(call) ?? {};
  if (fault.hang === true) return;
  const body = await readBody(request, fault, state.options.isSink === true);
  if (body === undefined) return;
  if (fault.status !== undefined || fault.body !== undefined) {
    const text = fault.body ?? `<?xml version="1.0"?><Error><Code>${fault.code ?? 'Fault'}</Code><Message>m</Message></Error>`;
    response
      .writeHead(fault.status ?? 200, { 'content-type': 'application/xml', ...fault.headers })
      .end(method === 'HEAD' ? '' : text);
    return;
  }
  const sha = request.headers['x-amz-content-sha256'];
  if (method === 'PUT' && sha !== body.sha256) return refuse(response, 400, 'XAmzContentSHA256Mismatch');
  if (method === 'GET' || method === 'HEAD') return read(state, call, { response, fault });
  write(state, call, { response, body });
}

interface Received {
  readonly bytes: Buffer;
  readonly sha256: string;
}

async function readBody(request: IncomingMessage, fault: S3Fault, isSink: boolean): Promise<Received | undefined> {
  const sha = createHash('sha256');
  const pieces: Buffer[] = [];
  let readBytes = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    readBytes += piece.length;
    if (fault.resetAt !== undefined && readBytes >= fault.resetAt) {
      request.socket.resetAndDestroy();
      return undefined;
    }
    sha.update(piece);
    if (!isSink) pieces.push(piece);
  }
  return { bytes: Buffer.concat(pieces), sha256: sha.digest('hex') };
}

function read(
  state: State,
  { method, key, query, headers }: S3Call,
  { response, fault }: { readonly response: ServerResponse; readonly fault: S3Fault },
): void {
  if (query.has('list-type')) return list(state, query.get('prefix') ?? '', response);
  const object = fault.content ?? state.objects.get(key);
  if (object === undefined) return refuse(response, 404, method === 'HEAD' ? '' : 'NoSuchKey');
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '');
  const start = Number(range?.[1] ?? 0);
  const end = Math.min(object.length, Number(range?.[2] ?? object.length - 1) + 1);
  if (range !== null && start >= object.length) return refuse(response, 416, 'InvalidRange');
  const place = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${object.length}` };
  response.writeHead(range === null ? 200 : 206, { 'content-length': end - start, ...place, ...fault.headers });
  response.end(method === 'HEAD' ? undefined : object.subarray(start, end));
}

function list(state: State, prefix: string, response: ServerResponse): void {
  const contents = [...state.objects].filter(([key]) => key.startsWith(prefix));
  const rows = contents.map(([key, bytes]) => `<Contents><Key>${key}</Key><Size>${bytes.length}</Size></Contents>`);
  response.end(`<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>${rows.join('')}</ListBucketResult>`);
}

function write(
  state: State,
  { method, key, query, headers }: S3Call,
  { response, body }: { readonly response: ServerResponse; readonly body: Received },
): void {
  const id = query.get('uploadId');
  if (method === 'POST' && query.has('uploads')) return open(state, response);
  const parts = id === null ? undefined : state.uploads.get(id);
  if (id !== null && parts === undefined) return refuse(response, 404, 'NoSuchUpload');
  if (method === 'DELETE') {
    if (id === null) state.objects.delete(key);
    else state.uploads.delete(id);
    response.writeHead(204).end();
    return;
  }
  if (method === 'PUT' && parts !== undefined) {
    parts.set(Number(query.get('partNumber')), body.bytes);
    response.writeHead(200, { etag: `"${body.sha256}"` }).end();
    return;
  }
  if (headers['if-none-match'] === '*' && state.objects.has(key)) return refuse(response, 412, 'PreconditionFailed');
  const whole = parts === undefined ? body.bytes : Buffer.concat([...parts].sort(([a], [b]) => a - b).map(([, bytes]) => bytes));
  state.objects.set(key, whole);
  if (id !== null) state.uploads.delete(id);
  response.end('<?xml version="1.0"?><CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>');
}

function open(state: State, response: ServerResponse): void {
  const id = `upload-${state.calls.length}`;
  state.uploads.set(id, new Map());
  const text = `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`;
  response.end(`<?xml version="1.0"?>${text}`);
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(code === '' ? undefined : `<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}
