/** The way to a Redis server: plain or TLS, straight or through the proxy that ALL_PROXY names (RFC 9110 §9.3.6). */
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, TLSSocket } from 'node:tls';
import { proxyFor } from '../../../http/proxy-choice.ts';
import { openTunnel } from '../../../http/proxy-tunnel.ts';
import { trustOf, type TrustOptions } from '../../../http/trust.ts';
import type { RemoteContext } from '../../remote-context.ts';
import type { RedisAddress } from './redis-address.ts';

export type SocketContext = Pick<RemoteContext, 'timeoutMs' | 'insecureHosts' | 'caFile' | 'environment'>;

/** @throws ClipctlError USAGE, CONFIG_INVALID, and for a proxy that refuses; what the socket says, ETIMEDOUT when it says nothing */
export async function openSocket(address: RedisAddress, context: SocketContext): Promise<Socket> {
  const { host, port, tls, name } = address;
  const { timeoutMs, environment, caFile } = context;
  const trust: TrustOptions = { environment, ...(caFile === undefined ? {} : { caFile }) };
  const proxy = proxyFor(new URL(`redis://${name}`), environment);
  // One connection serves many calls: none of their signals ends it.
  const { signal } = new AbortController();
  const tunnel =
    proxy === undefined
      ? undefined
      : await openTunnel({ proxy, target: name, timeoutMs, trust: trustOf(proxy.host, trust), signal });
  if (!tls && tunnel !== undefined) return tunnel;
  const way = tunnel === undefined ? { host, port } : { socket: tunnel };
  const socket = tls ? connectTls({ ...way, ...tlsOptions(address, context, trust) }) : connectPlain({ host, port });
  try {
    await connected(socket, timeoutMs);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function tlsOptions(
  { host, name }: RedisAddress,
  { insecureHosts }: SocketContext,
  trust: TrustOptions,
): { readonly rejectUnauthorized: boolean; readonly servername?: string } {
  const isInsecure = insecureHosts.includes(name) || insecureHosts.includes(host);
  return { rejectUnauthorized: !isInsecure, ...(isIP(host) === 0 ? { servername: host } : {}), ...trustOf(name, trust) };
}

function connected(socket: Socket, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(timedOut()), timeoutMs);
    const settle = (error?: Error): void => {
      clearTimeout(timer);
      socket.off('error', settle);
      if (error === undefined) resolve();
      else reject(error);
    };
    socket.once('error', settle);
    socket.once(socket instanceof TLSSocket ? 'secureConnect' : 'connect', () => settle());
  });
}

export function timedOut(): Error {
  return Object.assign(new Error('timeout'), { code: 'ETIMEDOUT' });
}
