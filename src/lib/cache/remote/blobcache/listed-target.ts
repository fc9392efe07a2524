import { isIPv4 } from 'node:net';
import type { Dispatcher } from '../../../http/dispatcher.ts';
import { mayLead } from '../../../http/may-lead.ts';

/** `host:port` and nothing else: gRPC would also take paths of sockets and schemes of its own. */
const ADDRESS = /^(?:\[[0-9a-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253}):([0-9]{1,5})$/i;

/**
 * What gRPC connects to for an address out of a list: the address that was judged, not a name that may lead elsewhere the
 * next time. `undefined` for what is no address, and where a server at `from` must not lead us.
 * @param from `host:port` of who sent the list
 */
export async function listedTarget(
  listed: string,
  from: string,
  dispatcher: Pick<Dispatcher, 'addresses' | 'isProxied'>,
): Promise<string | undefined> {
  const port = Number(ADDRESS.exec(listed)?.[1] ?? 0);
  if (port < 1 || port > 65_535 || !URL.canParse(`http://${listed}`)) return undefined;
  const to = new URL(`http://${listed}`);
  if (!(await mayLead(new URL(`http://${from}`), to, dispatcher))) return undefined;
  const resolved = await dispatcher.addresses?.resolve(to.hostname).catch(() => []);
  const [first] = resolved ?? [];
  if (first === undefined) return undefined;
  return isIPv4(first.address) ? `ipv4:${first.address}:${port}` : `ipv6:[${first.address}]:${port}`;
}
