/** A TCP relay that notes what clients ask for: methods of HTTP requests, names of Redis commands. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface RecordingProxy {
  readonly port: number;
  /** In upper case, in the order they came. */
  verbs(): readonly string[];
  close(): Promise<void>;
}

/** A request line of HTTP, or the first argument of an array of bulk strings (RESP2). */
const VERB = /(?:^|\r\n)(?:([A-Z]{3,10}) [^\r\n]* HTTP\/1\.1\r\n|\*[0-9]+\r\n\$[0-9]+\r\n([A-Za-z]+)\r\n)/g;

export async function startRecordingProxy(targetPort: number): Promise<RecordingProxy> {
  const sockets = new Set<Socket>();
  const verbs: string[] = [];
  const server = createServer((near) => {
    const far = connect(targetPort, '127.0.0.1');
    let asked = '';
    near.on('data', (bytes: Buffer) => {
      asked += bytes.toString('latin1');
      let end = 0;
      for (const match of asked.matchAll(VERB)) {
        verbs.push((match[1] ?? match[2] ?? '').toUpperCase());
        end = match.index + match[0].length - 2;
      }
      asked = asked.slice(end);
    });
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => (sockets.delete(socket), near.destroy(), far.destroy()));
    }
    near.pipe(far).pipe(near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    verbs: () => verbs,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
