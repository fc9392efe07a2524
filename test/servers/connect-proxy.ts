/** A forward proxy that only tunnels (CONNECT): it decides where each host of the outside is, and tells who was asked for. */
import { createServer, type IncomingMessage } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ConnectProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `host:port` of each CONNECT. */
  readonly targets: readonly string[];
  close(): Promise<void>;
}

/** @param portOf the port on loopback for `host:port`, or the status of a refusal */
export async function startConnectProxy(portOf: (target: string, request: IncomingMessage) => number): Promise<ConnectProxy> {
  const targets: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((_, response) => response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    const target = request.url ?? '';
    targets.push(target);
    sockets.add(client.on('error', () => client.destroy()));
    const port = portOf(target, request);
    if (port < 1000) return void client.end(`HTTP/1.1 ${port} No\r\ncontent-length: 0\r\n\r\n`);
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    sockets.add(upstream.on('error', () => client.destroy()));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    targets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
