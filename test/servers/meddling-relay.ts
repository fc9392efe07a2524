/** An HTTP relay that lets a test do something, or answer itself, before the server hears of a request. */
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { relay, type RelayedRequest } from './holding-proxy.ts';

/** What a registry says with it stands in `code`. */
export interface OwnAnswer {
  readonly status: number;
  readonly code: string;
}

export interface MeddlingRelay {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** In the order they came. */
  readonly requests: readonly RelayedRequest[];
  /** Runs before a request is passed on; what it returns is the answer in the server's place. */
  meddle: (request: RelayedRequest) => Promise<OwnAnswer | undefined>;
  close(): Promise<void>;
}

export async function startMeddlingRelay(targetPort: number): Promise<MeddlingRelay> {
  const requests: RelayedRequest[] = [];
  const server = createServer((near, answer) => {
    const relayed: RelayedRequest = { method: near.method ?? '', path: near.url ?? '', status: undefined };
    requests.push(relayed);
    meddler.meddle(relayed).then(
      (own) => {
        if (own === undefined) return relay({ near, answer, relayed, targetPort });
        near.resume().on('end', () => answerItself(answer, relayed, own));
      },
      () => answer.destroy(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const meddler: MeddlingRelay = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    meddle: () => Promise.resolve(undefined),
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return meddler;
}

function answerItself(answer: ServerResponse, relayed: RelayedRequest, { status, code }: OwnAnswer): void {
  relayed.status = status;
  answer.writeHead(status, { 'content-type': 'application/json' });
  answer.end(JSON.stringify({ errors: [{ code, message: `it says ${code}` }] }));
}
