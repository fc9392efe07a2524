/** A TCP relay that hands on so many bytes a second in each direction, of all connections together. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Throttle {
  readonly port: number;
  /** What clients have sent and the server has been given. */
  upBytes(): number;
  close(): Promise<void>;
}

/** Pieces small enough for twenty of them to make a second. */
const PIECES_PER_SECOND = 20;
const MAX_PIECE_BYTES = 64 * 1024;

export async function startThrottle(targetPort: number, bytesPerSecond: number): Promise<Throttle> {
  const [up, down] = [new Pace(bytesPerSecond), new Pace(bytesPerSecond)];
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => sockets.delete(socket));
    }
    void up.carry(near, far);
    void down.carry(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    upBytes: () => up.carriedBytes,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

class Pace {
  carriedBytes = 0;
  readonly #bytesPerSecond: number;
  #freeAtMs = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  async carry(from: Socket, to: Socket): Promise<void> {
    const step = Math.max(1, Math.min(MAX_PIECE_BYTES, Math.floor(this.#bytesPerSecond / PIECES_PER_SECOND)));
    try {
      for await (const bytes of from as AsyncIterable<Buffer>) {
        for (let at = 0; at < bytes.length; at += step) {
          const piece = bytes.subarray(at, at + step);
          await this.#turn(piece.length);
          this.carriedBytes += piece.length;
          if (to.destroyed) throw new Error('the other side has gone');
          if (!to.write(piece)) await Promise.race([once(to, 'drain'), once(to, 'close')]);
        }
      }
      to.end();
    } catch {
      // One side has gone; so does the other.
      to.destroy();
    }
  }

  async #turn(bytes: number): Promise<void> {
    const now = performance.now();
    this.#freeAtMs = Math.max(this.#freeAtMs, now) + (bytes * 1000) / this.#bytesPerSecond;
    await sleep(this.#freeAtMs - now);
  }
}
