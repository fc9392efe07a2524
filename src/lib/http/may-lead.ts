/**
 * Where a server may lead us: a registry on the public network must not make us talk to the network we stand in (SSRF,
 * RELIABILITY §1.3 rows 14 and 15). Names are judged by what they resolve to, and the connection goes to just that.
 */
import { reachOfHost, type Reach } from './address-reach.ts';
import type { Dispatcher } from './dispatcher.ts';

/**
 * Whether a server at `from` may send us on to `to`, by a redirect or as the realm of a login. The same host and port is
 * always fine; a private or loopback server may name others of its kind; nothing but link-local leads to link-local.
 */
export async function mayLead(from: URL, to: URL, dispatcher: Pick<Dispatcher, 'addresses' | 'isProxied'>): Promise<boolean> {
  if (from.host === to.host) return true;
  const target = await reachOf(to, dispatcher);
  if (target === 'public') return true;
  const origin = await reachOf(from, dispatcher);
  return target === 'link-local' ? origin === 'link-local' : origin !== 'public';
}

async function reachOf(url: URL, { addresses, isProxied }: Pick<Dispatcher, 'addresses' | 'isProxied'>): Promise<Reach> {
  // Behind a proxy the names are the proxy's business: it may be the only one that can resolve them.
  if (addresses === undefined || isProxied?.(url) === true) return reachOfHost(url.hostname);
  return addresses.reachOf(url.hostname);
}
