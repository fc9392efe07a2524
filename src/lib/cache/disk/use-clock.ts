/**
 * The clock that last uses are told by. It runs as fast as the wall clock but survives its jumps: it never goes back, it
 * gains at most a week on one jump forward, and within a process it follows the monotonic clock. So the order of uses is
 * right, and an age is never far too high, whatever somebody does to the time of day (RELIABILITY §2 row 20).
 */
import { join } from 'node:path';
import { ownDirectory } from './cache-layout.ts';
import { readStateFile, unlessUnwritable, writeStateFile } from './state-file.ts';

const MAX_STEP_MS = 7 * 24 * 60 * 60 * 1000;
const SAVE_EVERY_MS = 60_000;
const MAX_CLOCK_BYTES = 4096;

export interface UseClockOptions {
  /** The time of day in ms; tests turn it. */
  readonly wallClock?: () => number;
}

export class UseClock {
  readonly #cacheDir: string;
  readonly #wallClock: () => number;
  #base: Promise<{ readonly useMs: number; readonly startedMs: number }> | undefined;
  #lastMs = 0;
  #savedAtMs = -Infinity;
  #isDirty = false;

  constructor(cacheDir: string, { wallClock = Date.now }: UseClockOptions = {}) {
    this.#cacheDir = cacheDir;
    this.#wallClock = wallClock;
  }

  /** Now, in ms; about milliseconds since 1970 as long as nobody turns the clock. @throws ClipctlError STORAGE_* */
  async now(): Promise<number> {
    this.#base ??= this.#load();
    const { useMs, startedMs } = await this.#base;
    return Math.max(this.#lastMs, Math.floor(useMs + (performance.now() - startedMs)));
  }

  /** Now, later than any tick before. @throws ClipctlError STORAGE_* */
  async tick(): Promise<number> {
    const now = await this.now();
    this.#lastMs = Math.max(now, this.#lastMs + 1);
    this.#isDirty = true;
    const tickMs = this.#lastMs;
    if (performance.now() - this.#savedAtMs >= SAVE_EVERY_MS) await this.save();
    return tickMs;
  }

  /** Leaves to the next process how far this one got. @throws ClipctlError STORAGE_* */
  async save(): Promise<void> {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#savedAtMs = performance.now();
    const document = { version: 1, useMs: this.#lastMs, wallMs: Math.floor(this.#wallClock()) };
    await unlessUnwritable(() => writeStateFile(this.#cacheDir, () => this.#path, { document }));
  }

  get #path(): string {
    return join(ownDirectory(this.#cacheDir), 'use-clock.json');
  }

  async #load(): Promise<{ useMs: number; startedMs: number }> {
    const startedMs = performance.now();
    const wallMs = this.#wallClock();
    const saved = (await readStateFile(this.#path, MAX_CLOCK_BYTES))?.document;
    if (saved === undefined || !isTime(saved['useMs']) || !isTime(saved['wallMs'])) return { useMs: wallMs, startedMs };
    const stepMs = Math.min(Math.max(wallMs - saved['wallMs'], 1), MAX_STEP_MS);
    return { useMs: saved['useMs'] + stepMs, startedMs };
  }
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
