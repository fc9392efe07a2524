/** Time as waits between tries see it; tests have one of their own. */
import { setTimeout as sleepFor } from 'node:timers/promises';

export interface Clock {
  /** Monotonic. */
  readonly nowMs: () => number;
  /** @throws the signal's reason when aborted */
  readonly sleep: (waitMs: number, signal: AbortSignal) => Promise<void>;
}

export const REAL_CLOCK: Clock = {
  nowMs: () => performance.now(),
  sleep: async (waitMs, signal) => {
    try {
      await sleepFor(waitMs, undefined, { signal });
    } catch {
      // Only the abort ends a sleep early; its own reason says more than the timer's error.
      signal.throwIfAborted();
    }
  },
};
