/** Which layers may go, and their going. Nothing goes that is leased, open in a process, pinned, or was used a moment ago. */
import type { ContentHash } from '../../oci/digest.ts';
import { evictLayers } from './evict-layers.ts';
import { planEviction, type EvictionPlan, type KeepReason } from './eviction-plan.ts';
import type { Lease } from './lease.ts';
import { openLayers } from './open-files.ts';
import { pinnedLayers } from './pins.ts';
import { readLeases } from './read-leases.ts';
import type { CacheSurvey, SurveyedLayer } from './survey.ts';
import type { UseClock } from './use-clock.ts';

/** Used within this time is in use. */
export const RECENT_MS = 10 * 60_000;

export interface EvictionOptions {
  readonly clock: UseClock;
  /** The layers of this process: they stay. */
  readonly lease: Lease;
  /** Default {@link RECENT_MS}. */
  readonly recentMs?: number;
  /** Hears of layers that went. */
  readonly onEvicted?: (layers: readonly SurveyedLayer[]) => void;
}

export interface EvictionWish {
  readonly neededBytes: number;
  readonly keep?: ReadonlySet<ContentHash>;
  /** Layers last used before this time on the use clock go in any case. */
  readonly olderThanMs?: number;
}

export class LayerEviction {
  readonly #cacheDir: string;
  readonly #options: EvictionOptions;

  constructor(cacheDir: string, options: EvictionOptions) {
    this.#cacheDir = cacheDir;
    this.#options = options;
  }

  /** @throws ClipctlError STORAGE_* */
  async plan({ layers }: CacheSurvey, { keep = new Set(), ...wish }: EvictionWish): Promise<EvictionPlan> {
    return planEviction({ layers, reasons: await this.#reasons(layers, keep), ...wish });
  }

  /** Carries a plan out, as far as it still holds. Gives what went. @throws ClipctlError STORAGE_* */
  async carryOut({ victims }: Pick<EvictionPlan, 'victims'>): Promise<SurveyedLayer[]> {
    const readHeld = async (): Promise<Set<ContentHash>> =>
      new Set([...(await readLeases(this.#cacheDir)), ...(await pinnedLayers(this.#cacheDir))]);
    const gone = await evictLayers(this.#cacheDir, victims, { readHeld });
    if (gone.length > 0) this.#options.onEvicted?.(gone);
    return gone;
  }

  async #reasons(layers: readonly SurveyedLayer[], keep: ReadonlySet<ContentHash>): Promise<Map<ContentHash, KeepReason>> {
    const recentMs = this.#options.recentMs ?? RECENT_MS;
    const now = await this.#options.clock.now();
    const recent = layers.filter(({ lastUseMs }) => lastUseMs > now - recentMs).map(({ hash }) => hash);
    const reasons = new Map<ContentHash, KeepReason>();
    const add = (hashes: Iterable<ContentHash>, reason: KeepReason): void => {
      for (const hash of hashes) reasons.set(hash, reason);
    };
    add(recent, 'recent');
    add(await openLayers(), 'open');
    add(await readLeases(this.#cacheDir), 'leased');
    add(this.#options.lease.held, 'leased');
    add(await pinnedLayers(this.#cacheDir), 'pinned');
    add(keep, 'kept');
    return reasons;
  }
}
