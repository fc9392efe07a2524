/** The connections of the process: one undici Agent, opened at the first request; proxies, authorities and names in one place. */
import type { Agent, buildConnector as BuildConnector, Dispatcher as Undici, Pool } from 'undici';
import { AddressBook, type AskName } from './address-book.ts';
import type { Clock } from './clock.ts';
import { HostGates } from './host-gates.ts';
import { RateLimit } from './rate-limit.ts';
import { proxyFor } from './proxy-choice.ts';
import { openTunnel, proxyAuthorization } from './proxy-tunnel.ts';
import { trustOf, type TrustOptions } from './trust.ts';

export interface DispatcherOptions {
  /** Give up on a connection, an answer or a body that has moved no byte for so long. */
  readonly timeoutMs: number;
  /** `host[:port]` whose certificate is not checked. */
  readonly insecureHosts: readonly string[];
  /** Of all streams together; default: as fast as it goes. */
  readonly maxBytesPerSecond?: number;
  /** `--ca-file`. */
  readonly caFile?: string;
  /** Proxies and trust; default: none of the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** For tests: where certs.d directories lie. */
  readonly certsDirectories?: readonly string[];
  /** For tests: who resolves names. */
  readonly askName?: AskName;
  /** For tests: how the gates of hosts wait. */
  readonly clock?: Clock;
}

export interface Dispatcher {
  open(): Promise<Agent>;
  /** Hosts that have asked to be left alone for a while. */
  readonly gates?: HostGates;
  /** How long a body may bring next to nothing. */
  readonly idleMs?: number;
  /** What all bodies together keep to. */
  readonly rate?: RateLimit;
  /** What names resolve to, as the connections see it; absent where somebody else resolves them. */
  readonly addresses?: AddressBook;
  /** True when another program connects for us, so that names are its business. */
  isProxied?(url: URL): boolean;
  /** Drops all connections, used or idle. */
  close(): Promise<void>;
}

/** So many connections to one host at once; a request beyond them waits for one. */
const MAX_CONNECTIONS_PER_HOST = 64;

/** undici takes a while to import: only what goes to the network pays that. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const addresses = new AddressBook(options.askName);
  let agent: Promise<Agent> | undefined;
  return {
    open: () => (agent ??= openAgent(options, addresses)),
    addresses,
    gates: new HostGates(options.clock),
    idleMs: options.timeoutMs,
    ...(options.maxBytesPerSecond === undefined ? {} : { rate: new RateLimit(options.maxBytesPerSecond) }),
    isProxied: (url) => proxyFor(url, options.environment ?? {}) !== undefined,
    close: async () => {
      const opened = agent;
      agent = undefined;
      await (await opened)?.destroy();
    },
  };
}

interface Origin {
  readonly url: URL;
  readonly connect: BuildConnector.BuildOptions;
  readonly proxy: URL | undefined;
  readonly trust: TrustOptions;
}

async function openAgent(options: DispatcherOptions, addresses: AddressBook): Promise<Agent> {
  const { Agent, Pool, ProxyAgent, buildConnector } = await import('undici');
  const { timeoutMs, environment = {} } = options;
  const insecure = new Set(options.insecureHosts.map((host) => host.toLowerCase()));
  const trust: TrustOptions = { ...options, environment };
  const originOf = (origin: string | URL): Origin => {
    const url = new URL(origin);
    const own = url.protocol === 'https:' ? trustOf(url.host, trust) : {};
    const check = insecure.has(url.host) ? { rejectUnauthorized: false } : {};
    const connect = { timeout: timeoutMs, lookup: addresses.lookup, ...own, ...check };
    return { url, connect, proxy: proxyFor(url, environment), trust };
  };
  return new Agent({
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: timeoutMs },
    connections: MAX_CONNECTIONS_PER_HOST,
    factory: (origin, pool: object): Undici => {
      const { url, connect, proxy, trust: trusted } = originOf(origin);
      const direct = buildConnector(connect);
      if (proxy === undefined) return new Pool(origin, { ...pool, connect: direct });
      if (url.protocol === 'https:') {
        const tunnel = throughTunnel(direct, { url, connect, proxy, trust: trusted }, timeoutMs);
        return new Pool(origin, { ...(pool as Pool.Options), connect: tunnel });
      }
      const { 'proxy-authorization': token } = proxyAuthorization(proxy);
      return new ProxyAgent({ uri: proxy.origin, proxyTunnel: false, ...(token === undefined ? {} : { token }) });
    },
  });
}

/** TLS to the origin inside a connection that the proxy made. */
function throughTunnel(
  direct: BuildConnector.connector,
  { url, proxy, trust }: Origin,
  timeoutMs: number,
): BuildConnector.connector {
  return (options, callback) => {
    if (proxy === undefined) return direct(options, callback);
    const target = `${url.hostname}:${url.port === '' ? '443' : url.port}`;
    openTunnel({ proxy, target, timeoutMs, trust: trustOf(proxy.host, trust) }).then(
      (socket) => direct({ ...options, httpSocket: socket }, callback),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
}
