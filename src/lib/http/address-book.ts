/**
 * Names to addresses, each asked for once in a while: what was judged is what is then connected to. A name that answers
 * differently the second time (DNS rebinding) would pass the judgement with one address and be used with another.
 */
import { lookup as lookupName, type LookupAddress } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import { ClipctlError } from '../errors.ts';
import { reachOfHost, type Reach } from './address-reach.ts';

const REMEMBERED_MS = 60_000;

/** As dns.lookup with `all: true`. */
export type AskName = (hostname: string) => Promise<readonly LookupAddress[]>;

export class AddressBook {
  readonly #ask: AskName;
  readonly #rememberedMs: number;
  readonly #known = new Map<string, { readonly addresses: Promise<readonly LookupAddress[]>; readonly until: number }>();
  /** How far names were found to be. It outlives the addresses: a request may wait long for its turn to connect. */
  readonly #judged = new Map<string, Reach>();

  /**
   * @param ask for tests: who resolves names
   * @param rememberedMs for tests: how long that is not asked again
   */
  constructor(ask: AskName = askSystem, rememberedMs: number = REMEMBERED_MS) {
    this.#ask = ask;
    this.#rememberedMs = rememberedMs;
  }

  /** @param hostname as `URL.hostname` has it. @throws what the resolver throws (ENOTFOUND, EAI_AGAIN) */
  resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const host = hostname.replace(/^\[|\]$/g, '');
    const family = isIP(host);
    if (family !== 0) return Promise.resolve([{ address: host, family }]);
    const known = this.#known.get(host);
    if (known !== undefined && performance.now() < known.until) return known.addresses;
    const addresses = this.#ask(host);
    this.#known.set(host, { addresses, until: performance.now() + this.#rememberedMs });
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
    const reach = NEAREST_FIRST.find((each) => reaches.has(each)) ?? 'public';
    this.#judged.set(hostname, reach);
    return reach;
  }

  /** Whether an address lies where its name was judged to lie, or further away. */
  #isAsJudged(hostname: string, address: string): boolean {
    const judged = this.#judged.get(hostname);
    return judged === undefined || NEAREST_FIRST.indexOf(reachOfHost(address)) >= NEAREST_FIRST.indexOf(judged);
  }

  /** For sockets (`net.connect`): the addresses that were judged, or others that lie no nearer. */
  readonly lookup: LookupFunction = (hostname, options, found) => {
    this.resolve(hostname).then(
      (addresses) => {
        const allowed = addresses.filter(({ address }) => this.#isAsJudged(hostname, address));
        if (allowed.length === 0 && addresses.length > 0) return found(rebound(hostname), '', 0);
        const wanted = allowed.filter(
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

const NEAREST_FIRST: readonly Reach[] = ['link-local', 'loopback', 'private', 'public'];

function rebound(hostname: string): ClipctlError {
  return new ClipctlError('REGISTRY_ERROR', `${hostname}: its name now leads into another network than before: refused`, {
    details: { host: hostname },
    hint: 'Its DNS answers have changed while it was in use: try again, or ask who runs it.',
    retryable: false,
  });
}

function askSystem(hostname: string): Promise<readonly LookupAddress[]> {
  return new Promise((resolve, reject) => {
    lookupName(hostname, { all: true, verbatim: true }, (error, addresses) =>
      error === null ? resolve(addresses) : reject(error),
    );
  });
}
