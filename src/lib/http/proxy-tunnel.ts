/** A connection through a proxy (RFC 9110 §9.3.6, CONNECT). */
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { ClipctlError } from '../errors.ts';
import type { TlsTrust } from './trust.ts';

export interface TunnelOptions {
  readonly proxy: URL;
  /** `host:port` behind the proxy. */
  readonly target: string;
  readonly timeoutMs: number;
  /** For a proxy that is spoken to over TLS. */
  readonly trust: TlsTrust;
  /** Ends the waiting for the proxy; what it has connected is the caller's. */
  readonly signal: AbortSignal;
}

/** @throws ClipctlError UNAUTHORIZED (407), NETWORK for any other refusal; what the socket throws */
export function openTunnel({ proxy, target, timeoutMs, trust, signal }: TunnelOptions): Promise<Socket> {
  const isSecure = proxy.protocol === 'https:';
  const options: RequestOptions = {
    method: 'CONNECT',
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port === '' ? (isSecure ? 443 : 80) : Number(proxy.port),
    path: target,
    headers: { host: target, ...proxyAuthorization(proxy) },
    agent: false,
    timeout: timeoutMs,
    signal,
  };
  return new Promise((resolve, reject) => {
    const request = isSecure ? httpsRequest({ ...options, ...trust }) : httpRequest(options);
    request.once('connect', (response, socket, head) => {
      if (response.statusCode === 200 && head.length === 0) return resolve(socket);
      socket.destroy();
      reject(refusal(proxy, response.statusCode ?? 0));
    });
    // Some proxies refuse with a page of their own instead of an answer to CONNECT.
    request.once('response', (response) => {
      response.destroy();
      reject(refusal(proxy, response.statusCode ?? 0));
    });
    request.once('timeout', () => request.destroy(Object.assign(new Error('the proxy does not answer'), { code: 'ETIMEDOUT' })));
    request.once('error', reject);
    request.end();
  });
}

/** Out of the userinfo of the proxy's URL. */
export function proxyAuthorization({ username, password }: URL): { readonly 'proxy-authorization'?: string } {
  if (username === '' && password === '') return {};
  const login = `${decoded(username)}:${decoded(password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(login).toString('base64')}` };
}

/** A % that begins no escape is meant as it stands. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function refusal(proxy: URL, status: number): ClipctlError {
  const message = `the proxy ${proxy.host} answered ${status}`;
  if (status === 407) {
    return new ClipctlError('UNAUTHORIZED', `${message}: it wants a login`, {
      hint: 'Put user:password@ before the host in the variable that names it (HTTPS_PROXY), or exempt the host with NO_PROXY.',
    });
  }
  return new ClipctlError('NETWORK', message, {
    hint: 'The proxy refuses this host: ask who runs it, or exempt the host with NO_PROXY.',
    retryable: status >= 500,
  });
}
