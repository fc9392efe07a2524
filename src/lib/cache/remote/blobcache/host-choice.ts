/**
 * The hosts behind a BlobCache server, and which of them keeps what. A list is what a server says: it may be refused, empty
 * or hostile, and then everything goes to the server that was named.
 */
import type { Dispatcher } from '../../../http/dispatcher.ts';
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import type { ContentHash } from '../../../oci/digest.ts';
import type { BlobcacheAddress } from './blobcache-address.ts';
import { BlobcacheHost } from './blobcache-host.ts';
import { routeTo } from './channel-route.ts';
import { isRefusal } from './grpc-failure.ts';
import { GET_AVAILABLE_HOSTS, type ListedHost } from './messages.ts';
import { listedTarget } from './listed-target.ts';
import { hostFor } from './rendezvous.ts';

export interface HostChoiceOptions {
  readonly timeoutMs: number;
  /** Names proxies. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Knows where names lead. */
  readonly dispatcher: Pick<Dispatcher, 'addresses' | 'isProxied'>;
}

interface ReachedHost {
  readonly id: string;
  readonly host: BlobcacheHost;
}

const MAX_ID_CHARS = 256;

export class HostChoice {
  readonly #address: BlobcacheAddress;
  readonly #options: HostChoiceOptions;
  readonly #named: BlobcacheHost;
  readonly #closing = new AbortController();
  #listing: Promise<readonly ReachedHost[]> | undefined;
  /** Not reached: left out for the rest of the run, as the Go client does. */
  readonly #lost = new Set<BlobcacheHost>();

  /** @throws ClipctlError USAGE for a proxy that cannot be used */
  constructor(address: BlobcacheAddress, options: HostChoiceOptions) {
    this.#address = address;
    this.#options = options;
    this.#named = this.#hostAt(address.name, `dns:${address.name}`);
  }

  /** Where `hash` is kept. @throws as BlobcacheHost.call */
  async hostFor(hash: ContentHash, signal: AbortSignal): Promise<BlobcacheHost> {
    signal.throwIfAborted();
    this.#listing ??= this.#list().catch((error: unknown) => {
      this.#listing = undefined;
      throw error;
    });
    const listed = await waitOrAbort(this.#listing, signal);
    return (
      hostFor(
        hash,
        listed.filter(({ host }) => !this.#lost.has(host)),
      )?.host ?? this.#named
    );
  }

  /** It cannot be reached: its share goes to the others. */
  leaveOut(host: BlobcacheHost): void {
    this.#lost.add(host);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const listed = (await this.#listing?.catch(() => [])) ?? [];
    await Promise.all([this.#named.close(), ...listed.map(({ host }) => host.close())]);
  }

  async #list(): Promise<readonly ReachedHost[]> {
    const hosts = await this.#ask();
    // One host is the one that was named, under whatever address its cluster knows it.
    if (hosts.length <= 1) return [];
    const reached = await Promise.all(hosts.map((host) => this.#reach(host)));
    return reached.flatMap((host) => (host === undefined ? [] : [host]));
  }

  async #ask(): Promise<readonly ListedHost[]> {
    const { locality } = this.#address;
    try {
      const { hosts } = await this.#named.call(GET_AVAILABLE_HOSTS, { locality }, this.#closing.signal);
      const byId = new Map(hosts.filter(({ id }) => id !== '' && id.length <= MAX_ID_CHARS).map((host) => [host.id, host]));
      return [...byId.values()];
    } catch (error) {
      if (isRefusal(error)) return [];
      throw error;
    }
  }

  /** By its private address where that is one we may be led to, as the Go client does. */
  async #reach({ id, address, privateAddress }: ListedHost): Promise<ReachedHost | undefined> {
    for (const name of [privateAddress, address]) {
      const target = await listedTarget(name, this.#address.name, this.#options.dispatcher);
      if (target !== undefined) return { id, host: this.#hostAt(name, target) };
    }
    return undefined;
  }

  #hostAt(name: string, target: string): BlobcacheHost {
    const { environment, timeoutMs } = this.#options;
    return new BlobcacheHost({ name, route: routeTo({ name, target }, environment), token: this.#address.token, timeoutMs });
  }
}
