/** How far away a host is, by its address or its name alone; http/address-book.ts knows what names resolve to. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** 'link-local' includes the addresses under which clouds hand out credentials. */
export type Reach = 'public' | 'private' | 'loopback' | 'link-local';

/** @param hostname as `URL.hostname` has it (IPv6 in brackets, IPv4 in its normal form), or a bare address */
export function reachOfHost(hostname: string): Reach {
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (isIPv4(host)) return reachOfAddress(host, 'ipv4');
  if (isIPv6(host)) return reachOfAddress(host, 'ipv6');
  const labels = host.toLowerCase().split('.');
  const last = labels.at(-1) ?? '';
  if (last === 'localhost') return 'loopback';
  if (host.toLowerCase() === 'metadata.google.internal') return 'link-local';
  const isPrivateName = labels.length === 1 || PRIVATE_SUFFIXES.has(last) || labels.slice(-2).join('.') === 'home.arpa';
  return isPrivateName ? 'private' : 'public';
}

/** Names that the public DNS never answers: RFC 6762, ICANN's reservation of 2024; `home.arpa` is RFC 8375. */
const PRIVATE_SUFFIXES: ReadonlySet<string> = new Set(['local', 'internal']);

/** IANA special-purpose address registries; 0.0.0.0 and :: connect to this machine. */
const IPV4: Readonly<Record<Exclude<Reach, 'public'>, readonly string[]>> = {
  'link-local': ['169.254.0.0/16', '100.100.100.200/32', '224.0.0.0/4', '240.0.0.0/4'],
  loopback: ['127.0.0.0/8', '0.0.0.0/8'],
  private: ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '100.64.0.0/10', '198.18.0.0/15'],
};
const IPV6: typeof IPV4 = {
  'link-local': ['fe80::/10', 'ff00::/8', 'fd00:ec2::254/128'],
  loopback: ['::/127'],
  private: ['fc00::/7', 'fec0::/10'],
};

/** Link-local first: its addresses of cloud metadata lie inside private ranges. */
const LISTS = (['link-local', 'loopback', 'private'] as const).map((reach) => ({ reach, list: blockListOf(reach) }));

function reachOfAddress(address: string, family: 'ipv4' | 'ipv6'): Reach {
  return LISTS.find(({ list }) => list.check(address, family))?.reach ?? 'public';
}

function blockListOf(reach: Exclude<Reach, 'public'>): BlockList {
  const list = new BlockList();
  for (const [network, bits] of IPV6[reach].map(splitSubnet)) list.addSubnet(network, bits, 'ipv6');
  for (const [network, bits] of IPV4[reach].map(splitSubnet)) {
    list.addSubnet(network, bits, 'ipv4');
    // The same network inside IPv6: mapped, compatible, NAT64 and 6to4.
    for (const prefix of ['::ffff:', '::', '64:ff9b::']) list.addSubnet(`${prefix}${network}`, 96 + bits, 'ipv6');
    const [a = 0, b = 0, c = 0, d = 0] = network.split('.').map(Number);
    list.addSubnet(`2002:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}::`, 16 + bits, 'ipv6');
  }
  return list;
}

function splitSubnet(text: string): readonly [string, number] {
  const [network = '', bits] = text.split('/');
  return [network, Number(bits)];
}
