import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/**
 * Below what kernels give to outgoing connections (32768 on Linux, 49152 elsewhere): from there any connection of another
 * test could take the port before the slow server it is meant for has started.
 */
const PORTS = { first: 15_000, end: 32_000 };

/** A port that nobody listens on just now. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.first, PORTS.end);
    if (await isFree(port)) return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    );
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
