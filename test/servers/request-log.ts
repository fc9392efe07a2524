/** A relay in front of a server that notes the requests that pass. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface RequestLog {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** `METHOD PATH` of the requests since it was last asked. */
  take(): string[];
  close(): Promise<void>;
}

export async function startRequestLog(targetPort: number): Promise<RequestLog> {
  const lines: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (sockets.delete(socket), near.destroy(), far.destroy()));
    }
    near.on('data', (bytes: Buffer) => {
      for (const [, line = ''] of bytes.toString('latin1').matchAll(/^([A-Z]+ [^ ]+) HTTP\/1\.1\r$/gm)) lines.push(line);
    });
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    take: () => lines.splice(0),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
