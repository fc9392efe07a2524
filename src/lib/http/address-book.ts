/**
 * Names to addresses, each asked for once in a while: what was judged is what is then connected to. A name that answers
 * differently the second time (DNS rebinding) would pass the judgement with one address and be used with another.
 */
import { lookup as lookupName, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { reachOfHost, type Reach } from './address-reach.ts';

const REMEMBERED_MS = 60_000;

/** As dns.lookup with `all: true`. */
export type AskName = (hostname: string) => Promise<readonly LookupAddress[]>;

export class AddressBook {
  readonly #ask: AskName;
  readonly #known = new Map<string, { readonly addresses: Promise<readonly LookupAddress[]>; readonly until: number }>();

  /** @param ask for tests: who resolves names */
  constructor(ask: AskName = askSystem) {
    this.#ask = ask;
  }

  /** @param hostname as `URL.hostname` has it. @throws what the resolver throws (ENOTFOUND, EAI_AGAIN) */
  resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const host = hostname.replace(/^\[|\]$/g, '');
    const family = isIP(host);
    if (family !== 0) return Promise.resolve([{ address: host, family }]);
    const known = this.#known.get(host);
    if (known !== undefined && performance.now() < known.until) return known.addresses;
    const addresses = this.#ask(host);
    this.#known.set(host, { addresses, until: performance.now() + REMEMBERED_MS });
    // A failure is no answer: the next one asks again.
    addresses.catch(() => this.#known.delete(host));
    return addresses;
  }

  /** Where a host really lies: the nearest of its addresses. A name that cannot be resolved is judged by itself. */
  async reachOf(hostname: string): Promise<Reach> {
    const named = reachOfHost(hostname);
    if (named !== 'public') return named;
    const addresses = await this.resolve(hostname).catch(() => []);
    const reaches = new Set(addresses.map(({ address }) => reachOfHost(address)));
    return (['link-local', 'loopback', 'private'] as const).find((reach) => reaches.has(reach)) ?? 'public';
  }

  /** For sockets (`net.connect`): the addresses that were judged. */
  readonly lookup: LookupFunction = (hostname, options, found) => {
    this.resolve(hostname).then(
      (addresses) => {
        const wanted = addresses.filter(
          ({ family }) => !options.family || family === Number(String(options.family).replace('IPv', '')),
        );
        const [first] = wanted;
        if (options.all === true) found(null, [...wanted]);
        else if (first !== undefined) found(null, first.address, first.family);
        else found(Object.assign(new Error(`no address of ${hostname}`), { code: 'ENOTFOUND' }), '', 0);
      },
      (error: unknown) => found(error as NodeJS.ErrnoException, '', 0),
    );
  };
}

function askSystem(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookupName(hostname, { all: true, verbatim: true }, (error, addresses) =>
      error === null ? resolve(addresses) : reject(error),
    );
  });
}
