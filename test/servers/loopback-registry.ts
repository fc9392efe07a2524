/**
 * A small real registry on loopback: serves OCI image layouts over the distribution API (pull only), with Range and ETag,
 * counts what it serves, and can be told request by request what to do wrong. `npm start` uses it too: no test framework here.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { findObject, loadLayout, type Repository, type StoredObject } from './loopback-layout.ts';
import { serveObject, type Fault } from './loopback-serve.ts';
import { authorize, grantToken, type LoopbackAuth } from './loopback-auth.ts';
import { unreadBytes } from './unread-bytes.ts';

import type { RecordedRequest } from './loopback-request.ts';

export type { RecordedRequest } from './loopback-request.ts';
export type { Fault } from './loopback-serve.ts';
export type { LoopbackAuth } from './loopback-auth.ts';

/** Says what goes wrong with a request; undefined = nothing. */
export type FaultScript = (request: RecordedRequest) => Fault | undefined;

export interface LoopbackOptions {
  /** Repository name → OCI image layout directory; its ref.name annotations are the tags. */
  readonly repositories: Readonly<Record<string, string>>;
  readonly auth?: LoopbackAuth;
  /** Blobs are answered with 307 to a second server on another port. */
  readonly redirectBlobs?: boolean;
  readonly script?: FaultScript;
}

export interface LoopbackRegistry {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly url: string;
  readonly requests: readonly RecordedRequest[];
  /** Body bytes written so far, of both servers. */
  readonly bytesServed: number;
  /** TCP connections taken so far. */
  readonly connections: Readonly<Record<RecordedRequest['server'], number>>;
  /** Replace it at any time. */
  script: FaultScript | undefined;
  /** Requests of a path so far. */
  countOf(path: string): number;
  /** Of what it served over connections that are open now, the bytes that have reached their readers; by request. Linux. */
  reached(): ReadonlyMap<RecordedRequest, number>;
  close(): Promise<void>;
}

interface State {
  readonly repositories: ReadonlyMap<string, Repository>;
  readonly options: LoopbackOptions;
  readonly requests: RecordedRequest[];
  readonly tokens: Map<string, number>;
  /** What each open connection was asked for last. */
  readonly asked: Map<Socket, RecordedRequest>;
  script: FaultScript | undefined;
  registryUrl: string;
  storageUrl: string;
}

/** Starts it on a free port. Layouts are read now; later changes of them are not seen. */
export async function startLoopbackRegistry(options: LoopbackOptions): Promise<LoopbackRegistry> {
  const repositories = new Map<string, Repository>();
  for (const [name, directory] of Object.entries(options.repositories)) repositories.set(name, await loadLayout(directory));
  const state: State = {
    repositories,
    options,
    requests: [],
    tokens: new Map(),
    asked: new Map(),
    script: options.script,
    registryUrl: '',
    storageUrl: '',
  };
  const registry = createServer((request, response) => void answer(state, 'registry', { request, response }));
  const storage = createServer((request, response) => void answer(state, 'storage', { request, response }));
  const connections = { registry: 0, storage: 0 };
  registry.on('connection', () => connections.registry++);
  storage.on('connection', () => connections.storage++);
  const host = await listen(registry);
  state.registryUrl = `http://${host}`;
  state.storageUrl = `http://${await listen(storage)}`;
  return {
    host,
    url: state.registryUrl,
    requests: state.requests,
    connections,
    get bytesServed() {
      return state.requests.reduce((sum, { bytesServed }) => sum + bytesServed, 0);
    },
    get script() {
      return state.script;
    },
    set script(script) {
      state.script = script;
    },
    reached: () => reachedOf(state),
    countOf: (path) => state.requests.filter((request) => request.path === path).length,
    close: async () => {
      await Promise.all([stop(registry), stop(storage)]);
    },
  };
}

type Exchange = { readonly request: IncomingMessage; readonly response: ServerResponse };

async function answer(state: State, server: RecordedRequest['server'], { request, response }: Exchange): Promise<void> {
  const recorded = record(state, server, { request, response }, await bodyOf(request));
  noteAsked(state, request.socket, recorded);
  try {
    const fault = state.script?.(recorded);
    if (fault?.status !== undefined) return refuse(response, fault.status, fault);
    await route(state, recorded, { response, fault });
  } catch (error) {
    response.destroy(error instanceof Error ? error : undefined);
  }
}

function noteAsked({ asked }: State, socket: Socket, recorded: RecordedRequest): void {
  if (!asked.has(socket)) socket.once('close', () => asked.delete(socket));
  asked.set(socket, recorded);
}

/** Earlier answers of a connection were read: it would not have been asked again. */
function reachedOf({ asked }: State): ReadonlyMap<RecordedRequest, number> {
  const reached = [...unreadBytes(asked.keys())].flatMap(([socket, bytes]) => {
    const recorded = asked.get(socket);
    return recorded === undefined ? [] : [[recorded, Math.max(0, recorded.bytesServed - bytes)] as const];
  });
  return new Map(reached);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  if (request.method !== 'POST') return '';
  let body = '';
  for await (const piece of request.setEncoding('utf8') as AsyncIterable<string>) body = (body + piece).slice(0, 65_536);
  return body;
}

function record(state: State, server: RecordedRequest['server'], { request, response }: Exchange, body: string): RecordedRequest {
  const url = new URL(request.url ?? '/', 'http://loopback');
  const count = state.requests.filter(({ path }) => path === url.pathname).length + 1;
  const recorded: RecordedRequest = {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.search,
    body,
    headers: { ...request.headers },
    server,
    atMs: performance.now(),
    count,
    get status() {
      return response.headersSent ? response.statusCode : 0;
    },
    bytesServed: 0,
  };
  state.requests.push(recorded);
  return recorded;
}

interface Reply {
  readonly response: ServerResponse;
  readonly fault: Fault | undefined;
}

async function route(state: State, recorded: RecordedRequest, reply: Reply): Promise<void> {
  const { response } = reply;
  const { auth } = state.options;
  if (recorded.server === 'storage') return serveNamed(state, recorded, reply);
  if (recorded.path === '/token' && auth?.kind === 'bearer')
    return grantToken({ auth, tokens: state.tokens, recorded, response });
  if (auth !== undefined && !authorize({ auth, tokens: state.tokens, recorded, response, registryUrl: state.registryUrl }))
    return;
  if (recorded.path === '/v2/' || recorded.path === '/v2') return sendJson(response, 200, {});
  const isBlob = recorded.path.includes('/blobs/');
  if (isBlob && state.options.redirectBlobs === true) {
    const target = `${state.storageUrl}${recorded.path}?X-Amz-Signature=presigned-canary`;
    // As real ones do: with a page for people, which comes after the headers.
    response.writeHead(307, { location: target, 'content-type': 'text/html' }).flushHeaders();
    setTimeout(() => response.end('<a href="elsewhere">Temporary Redirect</a>'), 5);
    return;
  }
  await serveNamed(state, recorded, reply);
}

async function serveNamed(state: State, recorded: RecordedRequest, reply: Reply): Promise<void> {
  const found = findNamed(state, recorded.path);
  if (found === undefined) {
    const code = recorded.path.includes('/blobs/') ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN';
    return sendJson(reply.response, 404, { errors: [{ code, message: `${code.toLowerCase()} to registry` }] });
  }
  await serveObject(found, recorded, reply);
}

function findNamed(state: State, path: string): StoredObject | undefined {
  const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path);
  const repository = state.repositories.get(match?.[1] ?? '');
  return repository === undefined ? undefined : findObject(repository, match?.[2] === 'manifests', match?.[3] ?? '');
}

function refuse(response: ServerResponse, status: number, { headers = {}, body = '' }: Fault): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body);
}

function sendJson(response: ServerResponse, status: number, value: unknown): void {
  const body = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function listen(server: Server): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve(`127.0.0.1:${(server.address() as AddressInfo).port}`));
  });
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
