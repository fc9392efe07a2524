/** A TCP server that says what a test wants, and nothing that makes sense unless told. */
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';

export interface RawServer {
  readonly port: number;
  close(): Promise<void>;
}

/** @param onData is called with each connection and what came over it */
export async function startRawServer(onData: (socket: Socket, bytes: Buffer) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => onData(socket, bytes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Writes the same again for as long as the other side takes it. */
export function pourInto(socket: Socket, bytes: string | Buffer): void {
  const pour = (): void => {
    while (!socket.destroyed && socket.write(bytes));
    if (!socket.destroyed) socket.once('drain', pour);
  };
  pour();
}
