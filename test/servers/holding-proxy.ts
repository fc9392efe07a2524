/** An HTTP relay that stops a request where a test wants the client to be: before the server hears of it, or inside its body. */
import { once } from 'node:events';
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface RelayedRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** `undefined` while there is no answer. */
  status: number | undefined;
}

/** Where a request is to stop. */
export type Hold = 'before' | 'inside' | undefined;

export interface HoldingProxy {
  /** `127.0.0.1:port` */
  readonly host: string;
  readonly requests: readonly RelayedRequest[];
  /** Asked for each request; resolves {@link HoldingProxy.held} when it says so. */
  hold: (request: RelayedRequest, before: readonly RelayedRequest[]) => Hold;
  /** A request has stopped. */
  readonly held: Promise<void>;
  close(): Promise<void>;
}

const BYTES_INSIDE = 1 << 20;

export async function startHoldingProxy(targetPort: number): Promise<HoldingProxy> {
  const requests: RelayedRequest[] = [];
  let onHeld = (): void => undefined;
  const held = new Promise<void>((resolve) => (onHeld = resolve));
  const server = createServer((near, answer) => {
    const relayed = { method: near.method ?? '', path: near.url ?? '', status: undefined };
    const hold = proxy.hold(relayed, [...requests]);
    requests.push(relayed);
    if (hold === 'before') onHeld();
    else relay({ near, answer, relayed, targetPort }, hold === 'inside' ? onHeld : undefined);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: HoldingProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    hold: () => undefined,
    held,
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}

export interface Relay {
  readonly near: IncomingMessage;
  readonly answer: ServerResponse;
  readonly relayed: RelayedRequest;
  readonly targetPort: number;
}

/** Passes a request on, and its answer back. */
export function relay({ near, answer, relayed, targetPort }: Relay, onInside?: () => void): void {
  const { method, path } = relayed;
  const far = ask({ host: '127.0.0.1', port: targetPort, method, path, headers: near.headers }, (response) => {
    relayed.status = response.statusCode;
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  far.on('error', () => answer.destroy());
  // The client has gone: so does its request.
  answer.on('close', () => answer.writableFinished || far.destroy());
  if (onInside === undefined) return void near.pipe(far);
  let passedBytes = 0;
  near.on('data', (bytes: Buffer) => {
    passedBytes += bytes.length;
    far.write(bytes);
    if (passedBytes < BYTES_INSIDE) return;
    near.pause();
    onInside();
  });
}
