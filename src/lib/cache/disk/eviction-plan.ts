/** Which layers go when space is needed: the least recently used first, and never one that somebody has a reason to keep. */
import type { ContentHash } from '../../oci/digest.ts';
import type { SurveyedLayer } from './survey.ts';

/** Why a layer stays whatever is needed. */
export type KeepReason = 'leased' | 'open' | 'pinned' | 'kept' | 'recent';

export interface EvictionDemand {
  /** Own layers that may be looked at. */
  readonly layers: readonly SurveyedLayer[];
  readonly reasons: ReadonlyMap<ContentHash, KeepReason>;
  /** Space to be gained; 0 = only what is too old goes. */
  readonly neededBytes: number;
  /** Layers last used before this time on the use clock go in any case. */
  readonly olderThanMs?: number;
}

export interface EvictionPlan {
  /** In the order in which they go. */
  readonly victims: readonly SurveyedLayer[];
  readonly freedBytes: number;
  /** What is still needed when all victims are gone. */
  readonly shortBytes: number;
  /** Layers that would have gone, and why they stay. */
  readonly kept: readonly { readonly layer: SurveyedLayer; readonly reason: KeepReason }[];
}

export function planEviction({ layers, reasons, neededBytes, olderThanMs = -Infinity }: EvictionDemand): EvictionPlan {
  const victims: SurveyedLayer[] = [];
  const kept: { layer: SurveyedLayer; reason: KeepReason }[] = [];
  let freedBytes = 0;
  for (const layer of [...layers].sort(byLastUse)) {
    if (layer.state === 'foreign') continue;
    if (freedBytes >= neededBytes && layer.lastUseMs >= olderThanMs) break;
    const reason = reasons.get(layer.hash);
    if (reason === undefined) {
      victims.push(layer);
      freedBytes += layer.diskBytes;
    } else kept.push({ layer, reason });
  }
  return { victims, freedBytes, shortBytes: Math.max(0, neededBytes - freedBytes), kept };
}

function byLastUse(one: SurveyedLayer, other: SurveyedLayer): number {
  return one.lastUseMs - other.lastUseMs || (one.hash < other.hash ? -1 : 1);
}
