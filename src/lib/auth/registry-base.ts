/** Where a registry's API stands: its host as it answers, over TLS or not. */
import { ClipctlError } from '../errors.ts';
import { discardBody, type HttpClient } from '../http/http-client.ts';
import { DEFAULT_REGISTRY } from '../oci/reference.ts';

export interface RegistryPlace {
  readonly http: HttpClient;
  /** `host[:port]` */
  readonly registry: string;
  readonly insecureRegistries: readonly string[];
  /** Scheme and host, where they are known (`--mirror`). */
  readonly base?: URL;
  /** Ends what is shared between requests. */
  readonly signal: AbortSignal;
  /** Hears that there will be no TLS, and why, where nobody wrote `http:`. */
  readonly onPlainHttp?: ((message: string) => void) | undefined;
}

/**
 * Where TLS may be missing (--insecure-registry), the registry is asked once which one it speaks.
 * @throws ClipctlError NETWORK, TIMEOUT, REGISTRY_ERROR
 */
export async function findRegistryBase(place: RegistryPlace): Promise<URL> {
  const { registry, http, insecureRegistries, signal, base, onPlainHttp } = place;
  if (base !== undefined) return base;
  const host = apiHostOf(registry);
  const isInsecure = insecureRegistries.includes(registry);
  const secure = new URL(`https://${host}/`);
  const plain = new URL(`http://${host}/`);
  if (!isInsecure) {
    if (!isLoopback(secure.hostname)) return secure;
    onPlainHttp?.(`${host}: plain HTTP, no TLS, as for every registry on this machine`);
    return plain;
  }
  try {
    await discardBody(await http.send({ method: 'GET', url: new URL('v2/', secure), headers: {}, signal }));
    return secure;
  } catch (error) {
    if (!(error instanceof ClipctlError) || error.code !== 'NETWORK' || isUnresolved(error)) throw error;
    onPlainHttp?.(`${host}: plain HTTP, since it speaks no TLS and is an insecure registry by your word`);
    return plain;
  }
}

/** A name without an address says nothing about TLS. */
function isUnresolved({ details }: ClipctlError): boolean {
  return details['reason'] === 'EAI_AGAIN' || details['reason'] === 'ENOTFOUND';
}

/** Docker Hub answers under another name than it is called by. */
function apiHostOf(registry: string): string {
  return registry === DEFAULT_REGISTRY ? 'registry-1.docker.io' : registry;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(hostname);
}
