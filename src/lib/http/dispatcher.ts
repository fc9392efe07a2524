/** The connections of the process: one undici Agent, opened at the first request. */
import type { Agent } from 'undici';

export interface DispatcherOptions {
  /** Give up on a connection, an answer or a body that has moved no byte for so long. */
  readonly timeoutMs: number;
  /** `host[:port]` whose certificate is not checked. */
  readonly insecureHosts: readonly string[];
}

export interface Dispatcher {
  open(): Promise<Agent>;
  /** Drops all connections, used or idle. */
  close(): Promise<void>;
}

/** undici takes 160 ms to import: only what goes to the network pays that. */
export function createDispatcher(options: DispatcherOptions): Dispatcher {
  let agent: Promise<Agent> | undefined;
  return {
    open: () => (agent ??= openAgent(options)),
    close: async () => {
      const opened = agent;
      agent = undefined;
      await (await opened)?.destroy();
    },
  };
}

async function openAgent({ timeoutMs, insecureHosts }: DispatcherOptions): Promise<Agent> {
  const { Agent, Pool } = await import('undici');
  const insecure = new Set(insecureHosts.map((host) => host.toLowerCase()));
  return new Agent({
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: timeoutMs },
    factory: (origin, options: object) => {
      const isInsecure = insecure.has(new URL(origin).host);
      const connect = { timeout: timeoutMs, ...(isInsecure ? { rejectUnauthorized: false } : {}) };
      return new Pool(origin, { ...options, connect });
    },
  });
}
