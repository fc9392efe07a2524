/** The connections of the process: one undici Agent, opened at the first request; proxies, authorities and names in one place. */
import type { Agent, buildConnector as BuildConnector, Dispatcher as Undici, Pool } from 'undici';
import { AddressBook, type AskName } from './address-book.ts';
import type { Clock } from './clock.ts';
import { HostGates } from './host-gates.ts';
import { RateLimit } from './rate-limit.ts';
import { forwardingPool } from './forwarding-pool.ts';
import { sparingParser } from './parser-compilation.ts';
import { proxyFor } from './proxy-choice.ts';
import { openTunnel } from './proxy-tunnel.ts';
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
  /** For tests: how long answers of it are kept. */
  readonly rememberedMs?: number;
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
  const addresses = new AddressBook(options.askName, options.rememberedMs);
  let agent: Promise<Agent> | undefined;
  let stopping = new AbortController();
  return {
    open: () => (agent ??= openAgent(options, addresses, stopping.signal)),
    addresses,
    gates: new HostGates(options.clock),
    idleMs: options.timeoutMs,
    ...(options.maxBytesPerSecond === undefined ? {} : { rate: new RateLimit(options.maxBytesPerSecond) }),
    isProxied: (url) => proxyFor(url, options.environment ?? {}) !== undefined,
    close: async () => {
      const opened = agent;
      agent = undefined;
      stopping.abort(new DOMException('the connections are closed', 'AbortError'));
      stopping = new AbortController();
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

async function openAgent(options: DispatcherOptions, addresses: AddressBook, stopping: AbortSignal): Promise<Agent> {
  const { Agent, Pool, buildConnector } = await import('undici');
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
      const direct = sparingParser(buildConnector(connect));
      if (proxy === undefined) return new Pool(origin, { ...pool, connect: direct });
      if (url.protocol === 'https:') {
        const tunnel = throughTunnel(direct, { target: url, proxy, timeoutMs, trust: trusted, stopping });
        return new Pool(origin, { ...(pool as Pool.Options), connect: tunnel });
      }
      const connector = sparingParser(buildConnector({ timeout: timeoutMs, ...trustOf(proxy.host, trusted) }));
      return forwardingPool(Pool, { origin: url, proxy, connector, pool });
    },
  });
}

interface ThroughTunnel {
  readonly target: URL;
  readonly proxy: URL;
  readonly timeoutMs: number;
  readonly trust: TrustOptions;
  readonly stopping: AbortSignal;
}

/** TLS to the origin inside a connection that the proxy made. */
function throughTunnel(direct: BuildConnector.connector, options: ThroughTunnel): BuildConnector.connector {
  const { target, proxy, timeoutMs, trust, stopping } = options;
  return (options, callback) => {
    const address = `${target.hostname}:${target.port === '' ? '443' : target.port}`;
    openTunnel({ proxy, target: address, timeoutMs, trust: trustOf(proxy.host, trust), signal: stopping }).then(
      (socket) => direct({ ...options, httpSocket: socket }, callback),
      (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
    );
  };
}
