/** An HTTP/2 server that answers gRPC calls with the bytes a test wants, sense or none. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';

export interface RawGrpcServer {
  readonly url: string;
  close(): Promise<void>;
}

/** @param onCall gets the name of the method */
export async function startRawGrpc(
  onCall: (stream: ServerHttp2Stream, method: string, headers: IncomingHttpHeaders) => void,
): Promise<RawGrpcServer> {
  const sessions = new Set<ServerHttp2Session>();
  const server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => session.destroy());
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => stream.destroy());
    stream.resume();
    onCall(stream, headers[':path']?.split('/').at(-1) ?? '', headers);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `blobcache://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: async () => {
      for (const session of sessions) session.destroy();
      await new Promise<void>((resolve) => void server.close(() => resolve()));
    },
  };
}

/** A message as gRPC frames it: a flag, the length, the bytes. */
export function framed(message: Uint8Array, { flag = 0, length = message.length } = {}): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt8(flag, 0);
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, message]);
}

/** Answers with these bytes and then the trailers. */
export function answerRaw(
  stream: ServerHttp2Stream,
  body: Uint8Array,
  {
    headers = {},
    trailers = { 'grpc-status': '0' },
  }: { headers?: Record<string, string>; trailers?: Record<string, string> } = {},
): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}
