/** A TCP proxy that hands on every byte a fixed time after it came, in both directions, at any rate. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface LatencyProxy {
  readonly port: number;
  /** Ends all connections at once, as a cut cable would show. */
  cut(): void;
  close(): Promise<void>;
}

/** @param oneWayMs half of what a round trip takes longer */
export async function startLatencyProxy(targetPort: number, oneWayMs: number): Promise<LatencyProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    delay(near, far, oneWayMs);
    delay(far, near, oneWayMs);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const cut = (): void => sockets.forEach((socket) => socket.destroy());
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

function delay(from: Socket, to: Socket, ms: number): void {
  from.on('data', (bytes) => setTimeout(() => to.destroyed || to.write(bytes), ms));
  from.on('close', () => setTimeout(() => to.destroy(), ms));
}
