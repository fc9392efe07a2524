/**
 * One gate a host. A server that answers "come back in 20 s" (429 or 503 with Retry-After) says it to everybody here: no
 * stream asks it before. Then one goes ahead, and the others follow when it was let in: a server that still has enough of
 * us is asked once, not once a stream.
 */
import { ClipctlError } from '../errors.ts';
import { REAL_CLOCK, type Clock } from './clock.ts';
import { MAX_RETRY_AFTER_MS } from './retry-after.ts';
import { waitOrAbort } from './wait-or-abort.ts';

/** What came of a request: undefined where it brought no answer. */
export type Outcome = { readonly status: number; readonly retryAfterMs: number | undefined } | undefined;

/** To be called once, with what came of the request. */
export type Leave = (outcome: Outcome) => void;

interface Gate {
  untilMs: number;
  /** Resolves when the one that went ahead is back. */
  scout: Promise<void> | undefined;
}

export class HostGates {
  readonly #clock: Clock;
  readonly #gates = new Map<string, Gate>();

  constructor(clock: Clock = REAL_CLOCK) {
    this.#clock = clock;
  }

  /**
   * Waits until the host may be asked.
   * @throws ClipctlError RATE_LIMITED when that is more than a minute away; the signal's reason when aborted
   */
  async enter(host: string, signal: AbortSignal): Promise<Leave> {
    for (let gate = this.#gates.get(host); gate !== undefined; gate = this.#gates.get(host)) {
      const waitMs = gate.untilMs - this.#clock.nowMs();
      if (waitMs > MAX_RETRY_AFTER_MS) throw tooLong(host, waitMs);
      if (waitMs > 0) await this.#clock.sleep(waitMs, signal);
      else if (gate.scout === undefined) return this.#sendScout(host, gate);
      else await waitOrAbort(gate.scout, signal);
    }
    return (outcome) => this.#hold(host, outcome);
  }

  #sendScout(host: string, gate: Gate): Leave {
    let comeBack = (): void => undefined;
    gate.scout = new Promise((resolve) => (comeBack = resolve));
    return (outcome) => {
      gate.scout = undefined;
      if (!this.#hold(host, outcome)) this.#gates.delete(host);
      comeBack();
    };
  }

  /** Closes the gate when the answer asks for it. */
  #hold(host: string, outcome: Outcome): boolean {
    if (outcome === undefined || (outcome.status !== 429 && outcome.status !== 503)) return false;
    if (outcome.retryAfterMs === undefined) return false;
    const untilMs = this.#clock.nowMs() + outcome.retryAfterMs;
    const gate = this.#gates.get(host);
    if (gate === undefined) this.#gates.set(host, { untilMs, scout: undefined });
    else gate.untilMs = Math.max(gate.untilMs, untilMs);
    return true;
  }
}

function tooLong(host: string, waitMs: number): ClipctlError {
  const seconds = Math.ceil(waitMs / 1000);
  return new ClipctlError('RATE_LIMITED', `${host} wants to be asked again in ${seconds} s, not before`, {
    details: { host, retryAfterMs: Math.ceil(waitMs) },
    hint: `Try again in ${seconds} s, log in for a higher limit, or use a mirror.`,
    retryable: false,
  });
}
