/** Own bytes of a cache directory as last counted. Other processes add too: a figure is good for a while only. */
import { surveyCache, type CacheSurvey } from './survey.ts';

const COUNT_EVERY_MS = 15_000;

export class OwnBytes {
  readonly #cacheDir: string;
  /** As last counted, with what was committed and what went since. */
  #knownBytes: number | undefined;
  #countedAtMs = 0;

  constructor(cacheDir: string) {
    this.#cacheDir = cacheDir;
  }

  /** Counts when the last figure is too old. @throws ClipctlError STORAGE_*; the signal's reason */
  async read(signal: AbortSignal): Promise<number> {
    if (this.#knownBytes !== undefined && performance.now() - this.#countedAtMs < COUNT_EVERY_MS) return this.#knownBytes;
    return (await this.count(signal)).ownBytes;
  }

  /** @throws ClipctlError STORAGE_*; the signal's reason */
  async count(signal: AbortSignal): Promise<CacheSurvey> {
    const survey = await surveyCache(this.#cacheDir, { signal });
    this.#knownBytes = survey.ownBytes;
    this.#countedAtMs = performance.now();
    return survey;
  }

  /** So much came, or went when it is negative. */
  add(bytes: number): void {
    if (this.#knownBytes !== undefined) this.#knownBytes = Math.max(0, this.#knownBytes + bytes);
  }
}
