/** Plain HTTP through a proxy: whole requests, each with the address it is for (RFC 9112 §3.2.2). */
import { isIP } from 'node:net';
import type { buildConnector as BuildConnector, Dispatcher, Pool } from 'undici';
import { proxyAuthorization } from './proxy-tunnel.ts';

export interface ForwardingOptions {
  /** Of the server that the requests are for. */
  readonly origin: URL;
  readonly proxy: URL;
  /** To the proxy. */
  readonly connector: BuildConnector.connector;
  /** Limits of time and number. */
  readonly pool: Pool.Options;
}

/**
 * Connections to the proxy under the same limits as any others.
 * @param Base undici's Pool, which is loaded late
 */
export function forwardingPool(Base: typeof Pool, { origin, proxy, connector, pool }: ForwardingOptions): Pool {
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  // undici takes the name to check from the Host of the request, which is another server's.
  const servername = isIP(host) === 0 ? host : '';
  const connect: BuildConnector.connector = (options, callback) => connector({ ...options, servername }, callback);
  const added = { host: origin.host, ...proxyAuthorization(proxy) };
  return new (class extends Base {
    override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
      const headers = { ...(options.headers as Readonly<Record<string, string>>), ...added };
      return super.dispatch({ ...options, path: `${origin.origin}${options.path}`, headers }, handler);
    }
  })(proxy.origin, { ...pool, connect });
}
