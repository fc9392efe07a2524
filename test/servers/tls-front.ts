/** TLS in front of a server of the tests that speaks none. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { makeCertificate } from './self-signed.ts';

export interface TlsFront {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** PEM: who has signed its certificate. */
  readonly caFile: string;
  close(): Promise<void>;
}

/** @param hosts that its certificate is for, besides this machine's names */
export async function startTlsFront(targetPort: number, hosts?: readonly string[]): Promise<TlsFront> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-tls-'));
  const { certFile, keyFile } = makeCertificate(directory, hosts);
  const sockets = new Set<Socket>();
  const server = createServer({ cert: await readFile(certFile), key: await readFile(keyFile) }, (near) => {
    const far = connect(targetPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => sockets.delete(from));
      from.pipe(to);
    }
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    caFile: certFile,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
