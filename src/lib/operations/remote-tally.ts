/** What happened at each remote cache in one run: figures for the JSON document, and one warning a remote, however many layers it failed. */
import type { ContentCache, StoreResult } from '../cache/content-cache.ts';
import type { TierFailure, TierFill } from '../cache/tiered.ts';
import type { Digest } from '../oci/digest.ts';
import type { RemoteFigures } from './results.ts';

type Count = 'hits' | 'misses' | 'corrupt' | 'failures' | 'stored' | 'skipped' | 'repaired';
type Trouble = 'corrupt' | 'read' | 'store';

interface Account {
  readonly remote: ContentCache;
  readonly counts: Record<Count, number>;
  hitBytes: number;
  sentBytes: number;
  /** By kind: the first failure in words, and how many there were. */
  readonly troubles: Map<Trouble, { readonly first: string; count: number }>;
}

export class RemoteTally {
  readonly #accounts = new Map<string, Account>();

  constructor(remotes: readonly ContentCache[]) {
    for (const remote of remotes) {
      const counts = { hits: 0, misses: 0, corrupt: 0, failures: 0, stored: 0, skipped: 0, repaired: 0 };
      this.#accounts.set(remote.url, { remote, counts, hitBytes: 0, sentBytes: 0, troubles: new Map() });
    }
  }

  /** What asking the remotes for one layer gave. */
  noteFill({ filled, misses, failures }: TierFill, layer: Digest): void {
    for (const url of misses) this.#count(url, 'misses');
    for (const failure of failures) this.noteReadFailure(failure, layer);
    const account = filled === undefined ? undefined : this.#accounts.get(filled.url);
    if (filled === undefined || account === undefined) return;
    account.counts.hits++;
    account.hitBytes += filled.sizeBytes;
  }

  noteReadFailure({ url, error, corrupt }: TierFailure, layer: Digest): void {
    this.#count(url, corrupt ? 'corrupt' : 'failures');
    this.#trouble(url, corrupt ? 'corrupt' : 'read', `layer ${layer}: ${reasonOf(error)}`);
  }

  noteStored(url: string, result: StoreResult, { isRepair }: { readonly isRepair: boolean }): void {
    this.#count(url, isRepair ? 'repaired' : result.skipped ? 'skipped' : 'stored');
    const account = this.#accounts.get(url);
    if (account !== undefined) account.sentBytes += result.sentBytes;
  }

  noteStoreFailure(url: string, error: unknown, layer: Digest): void {
    this.#count(url, 'failures');
    this.#trouble(url, 'store', `layer ${layer}: ${reasonOf(error)}`);
  }

  figures(): RemoteFigures[] {
    return [...this.#accounts.values()].map(({ remote, counts, hitBytes, sentBytes }) => ({
      url: remote.url,
      creates: howItCreates(remote),
      ...counts,
      hitBytes,
      sentBytes,
    }));
  }

  /** One a remote that was no help, or less than it should have been. */
  warnings(): string[] {
    return [...this.#accounts.values()].flatMap(({ remote, troubles }) => {
      const parts = [...troubles].map(([kind, { first, count }]) => {
        const others = count === 1 ? '' : ` (and ${count - 1} more)`;
        return `${TROUBLES[kind]} ${first}${others}`;
      });
      return parts.length === 0 ? [] : [`remote cache ${remote.url} ${parts.join('; ')}`];
    });
  }

  #count(url: string, what: Count): void {
    const account = this.#accounts.get(url);
    if (account !== undefined) account.counts[what]++;
  }

  #trouble(url: string, kind: Trouble, words: string): void {
    const troubles = this.#accounts.get(url)?.troubles;
    const known = troubles?.get(kind);
    if (known === undefined) troubles?.set(kind, { first: words, count: 1 });
    else known.count++;
  }
}

const TROUBLES: Readonly<Record<Trouble, string>> = {
  corrupt: 'holds wrong bytes for',
  read: 'could not serve',
  store: 'could not be filled with',
};

/** What its driver knows of the server by now. */
export function howItCreates(remote: ContentCache): RemoteFigures['creates'] {
  return remote.capabilities.conditionalPut ? 'conditional' : 'head-then-put';
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
