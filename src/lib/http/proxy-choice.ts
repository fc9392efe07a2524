/** HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY, as curl and Go read them; lower case goes first. */
import { BlockList, isIP } from 'node:net';
import { ClipctlError } from '../errors.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for requests to an origin; undefined = none. What lies on this machine is never sent to one.
 * @throws ClipctlError USAGE for a proxy that is no http: or https: URL; it is not quoted, since it may hold a password
 */
export function proxyFor(url: URL, environment: Environment): URL | undefined {
  const found = variablesOf(url.protocol)
    .map((name) => ({ name, value: valueOf(environment, name) }))
    .find(({ value }) => value !== '');
  if (found === undefined || isLocal(url.hostname) || isExempt(url, valueOf(environment, 'no_proxy'))) return undefined;
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(found.value) ? found.value : `http://${found.value}`;
  const proxy = URL.canParse(text) ? new URL(text) : undefined;
  if (proxy !== undefined && (proxy.protocol === 'http:' || proxy.protocol === 'https:')) return proxy;
  throw new ClipctlError('USAGE', `${found.name.toUpperCase()} names no proxy that can be used`, {
    hint: 'Write http://host:port or https://host:port, with user:password@ before the host if it wants a login.',
  });
}

/** What is no HTTP (Redis) has no variable of its own. */
function variablesOf(protocol: string): readonly string[] {
  if (protocol === 'https:') return ['https_proxy', 'all_proxy'];
  return protocol === 'http:' ? ['http_proxy', 'all_proxy'] : ['all_proxy'];
}

function valueOf(environment: Environment, name: string): string {
  // A web server may put a request's `Proxy:` header into HTTP_PROXY; where CGI runs us the variable is not believed.
  const isCgi = name === 'http_proxy' && environment['REQUEST_METHOD'] !== undefined;
  return (environment[name] ?? (isCgi ? '' : (environment[name.toUpperCase()] ?? ''))).trim();
}

function isLocal(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/** `*`, `host`, `.suffix`, `host:port`, an address, or a network in CIDR form; separated by commas or white space. */
function isExempt(url: URL, list: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const port = url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port;
  return list
    .slice(0, 65_536)
    .split(/[,\s]+/)
    .some((entry) => entry !== '' && matches(entry.toLowerCase(), host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === '*') return true;
  if (entry.includes('/')) return isInNetwork(entry, host);
  const [name, wantedPort] = splitPort(entry);
  if (wantedPort !== undefined && wantedPort !== port) return false;
  const bare = name.replace(/^\*?\./, '').replace(/^\[|\]$/g, '');
  return host === bare || (isIP(bare) === 0 && host.endsWith(`.${bare}`));
}

function splitPort(entry: string): readonly [name: string, port?: string] {
  const colon = entry.lastIndexOf(':');
  const isPort =
    colon >= 0 &&
    /^\d{1,5}$/.test(entry.slice(colon + 1)) &&
    (entry.endsWith(']') || entry.indexOf(':') === colon || entry.startsWith('['));
  return isPort ? [entry.slice(0, colon), entry.slice(colon + 1)] : [entry];
}

function isInNetwork(entry: string, host: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || isIP(host) === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  const name = family === 4 ? 'ipv4' : 'ipv6';
  list.addSubnet(network, Number(bits), name);
  return list.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6');
}
