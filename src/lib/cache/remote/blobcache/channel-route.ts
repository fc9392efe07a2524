import type { ChannelOptions } from '@grpc/grpc-js';
import { ClipctlError } from '../../../errors.ts';
import { proxyFor } from '../../../http/proxy-choice.ts';

/** Where a gRPC channel connects. */
export interface ChannelRoute {
  /** As gRPC names it. */
  readonly target: string;
  readonly options: ChannelOptions;
}

/**
 * Straight to `target`, or through the proxy that ALL_PROXY names for `name` (`host:port`; CONNECT, RFC 9110 §9.3.6).
 * @throws ClipctlError USAGE for a proxy that cannot be used
 */
export function routeTo(
  { name, target }: { readonly name: string; readonly target: string },
  environment: Readonly<Record<string, string | undefined>>,
): ChannelRoute {
  const proxy = proxyFor(new URL(`tcp://${name}`), environment);
  if (proxy === undefined) return { target, options: {} };
  if (proxy.protocol !== 'http:') {
    throw new ClipctlError('USAGE', 'ALL_PROXY names a proxy over TLS, which cannot be used for blobcache remotes', {
      hint: 'Name one with http://, or exempt the host with NO_PROXY.',
    });
  }
  const login = `${decoded(proxy.username)}:${decoded(proxy.password)}`;
  return {
    target: `dns:${proxy.hostname}:${proxy.port === '' ? 80 : proxy.port}`,
    options: {
      'grpc.http_connect_target': `dns:${name}`,
      'grpc.default_authority': name,
      ...(login === ':' ? {} : { 'grpc.http_connect_creds': login }),
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A stray percent sign stands for itself.
    return text;
  }
}
