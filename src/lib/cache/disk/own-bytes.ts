/** Own bytes of a cache directory as last counted. Other processes add too: a figure is good for a while only. */
import type { SpaceLimits } from './space-limits.ts';
import { surveyCache, type CacheSurvey } from './survey.ts';

const COUNT_EVERY_MS = 15_000;

export class OwnBytes {
  readonly #cacheDir: string;
  readonly #limits: () => Promise<SpaceLimits>;
  /** As last counted, with what was committed and what went since. */
  #knownBytes: number | undefined;
  #countedAtMs = 0;
  /** Of the file system, when nobody else had added since. */
  #freeBytes: number | undefined;

  constructor(cacheDir: string, limits: () => Promise<SpaceLimits>) {
    this.#cacheDir = cacheDir;
    this.#limits = limits;
  }

  /** Counts when the last figure is too old. @throws ClipctlError STORAGE_*; the signal's reason */
  async read(signal: AbortSignal): Promise<number> {
    if (this.#knownBytes !== undefined && performance.now() - this.#countedAtMs < COUNT_EVERY_MS) return this.#knownBytes;
    return (await this.count(signal)).ownBytes;
  }

  /**
   * As if all that the file system has taken since the count were ours: layers that grow here and in other processes are
   * among it. Throws as read does.
   */
  async readAtMost({ freeBytes }: SpaceLimits, signal: AbortSignal): Promise<number> {
    const known = await this.read(signal);
    const takenBytes = freeBytes === undefined || this.#freeBytes === undefined ? 0 : this.#freeBytes - freeBytes;
    return known + Math.max(0, takenBytes);
  }

  /** @throws ClipctlError STORAGE_*; the signal's reason */
  async count(signal: AbortSignal): Promise<CacheSurvey> {
    this.#freeBytes = (await this.#limits()).freeBytes;
    const survey = await surveyCache(this.#cacheDir, { signal });
    this.#knownBytes = survey.ownBytes;
    this.#countedAtMs = performance.now();
    return survey;
  }

  /** So much came, or went when it is negative. */
  add(bytes: number): void {
    if (this.#knownBytes !== undefined) this.#knownBytes = Math.max(0, this.#knownBytes + bytes);
    if (this.#freeBytes !== undefined) this.#freeBytes -= bytes;
  }
}
