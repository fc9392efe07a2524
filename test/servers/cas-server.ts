/**
 * A content store as bazel-remote is one: checks the hash of what is put (500), ignores Range, lists and deletes nothing.
 * A script decides what goes wrong with an answer.
 */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface CasServer {
  readonly url: string;
  readonly contents: Map<string, Buffer>;
  /** `PUT /prefix/cas/…`, in order. */
  readonly requests: string[];
  /** Answers instead of the server when it returns true. */
  script: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** Cuts all connections. */
  cut(): void;
  openConnections(): Promise<number>;
  close(): Promise<void>;
}

export async function startCasServer(): Promise<CasServer> {
  const contents = new Map<string, Buffer>();
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    if (cas.script?.(request, response) === true) return;
    answer(contents, request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const cas: CasServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`,
    contents,
    requests,
    script: undefined,
    cut: () => server.closeAllConnections(),
    openConnections: () => new Promise((resolve) => server.getConnections((_error, count) => resolve(count))),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return cas;
}

async function answer(contents: Map<string, Buffer>, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hash = /^\/prefix\/cas\/([0-9a-f]{64})$/.exec(request.url ?? '')?.[1];
  if (hash === undefined) return void response.writeHead(400).end('not a key');
  if (request.method === 'PUT') return put(contents, hash, { request, response });
  const content = contents.get(hash);
  if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
  if (content === undefined) return void response.writeHead(404).end('not found');
  response.writeHead(200, { 'content-length': content.length }).end(request.method === 'HEAD' ? undefined : content);
}

interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

async function put(contents: Map<string, Buffer>, hash: string, { request, response }: Exchange): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const content = Buffer.concat(pieces);
  const found = createHash('sha256').update(content).digest('hex');
  if (found !== hash) return void response.writeHead(500).end('hash mismatch');
  contents.set(hash, content);
  response.writeHead(200).end();
}
