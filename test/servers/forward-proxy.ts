/** A forward proxy: it brings every request, and every tunnel, to one server of the tests, whatever host is named. */
import { createServer, request as send } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';

export interface ForwardProxy {
  readonly url: string;
  /** `METHOD URL` of every request, `CONNECT host:port` of every tunnel, as the proxy was asked. */
  readonly requests: readonly string[];
  close(): Promise<void>;
}

export async function startForwardProxy(targetPort: number): Promise<ForwardProxy> {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    requests.push(`${method} ${url}`);
    const { pathname, search } = new URL(url);
    const onward = send({ host: '127.0.0.1', port: targetPort, method, path: pathname + search, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
  const tunnels = new Set<Socket>();
  server.on('connect', (request, near: Socket) => {
    requests.push(`CONNECT ${request.url}`);
    const far = connect(targetPort, '127.0.0.1', () => near.write('HTTP/1.1 200 Connection Established\r\n\r\n'));
    for (const socket of [near, far]) {
      tunnels.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (tunnels.delete(socket), near.destroy(), far.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => {
      for (const socket of tunnels) socket.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
