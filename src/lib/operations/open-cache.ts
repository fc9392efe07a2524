/** The library's one entrance: a session with the operations bound to it. */
import { availableParallelism } from 'node:os';
import { DEFAULT_LIMITS } from '../compression/limits.ts';
import { defaultCacheDir } from '../config.ts';
import { homeOf } from '../home-directory.ts';
import { DEFAULT_BUDGET_BYTES } from '../pipeline/memory-budget.ts';
import { indexImage } from './index-image.ts';
import type { IndexRequest } from './index-request.ts';
import { inspectImage, type InspectRequest } from './inspect.ts';
import { openSession } from './open-session.ts';
import { pushCache, type PushRequest } from './push-cache.ts';
import type { IndexResult, InspectResult, PushResult, WarmResult } from './results.ts';
import type { SessionOptions } from './session.ts';
import { warmImages, type WarmRequest } from './warm.ts';

export type CacheOptions = Partial<SessionOptions>;

export interface Cache {
  index(request: Partial<IndexRequest> & { image: string }): Promise<IndexResult>;
  warm(request: Partial<WarmRequest> & { images: readonly string[] }): Promise<WarmResult>;
  pushCache(request: PushRequest): Promise<PushResult>;
  inspect(request: Partial<InspectRequest> & { image: string }): Promise<InspectResult>;
  /** Stops the workers and closes connections. */
  close(): Promise<void>;
}

/**
 * Opens nothing until an operation needs it. Options not given have the command line's defaults (CLI.md).
 * @throws ClipctlError USAGE when no cache directory is named and the user has no home directory
 */
export function openCache(options: CacheOptions = {}): Cache {
  const cacheDir = options.cacheDir ?? defaultCacheDir({ env: process.env, homeDir: homeOf(process.env) });
  const session = openSession({ ...defaultOptions(), ...options, cacheDir });
  return {
    index: (request) =>
      indexImage(session, { platforms: [], allPlatforms: false, warm: false, to: [], strict: false, ...request }),
    warm: (request) => warmImages(session, { to: [], from: [], remote: 'optional', layers: [], ...request }),
    pushCache: (request) => pushCache(session, request),
    inspect: (request) => inspectImage(session, { from: [], ...request }),
    close: () => session.close(),
  };
}

function defaultOptions(): Omit<SessionOptions, 'cacheDir'> {
  return {
    jobs: availableParallelism(),
    maxMemoryBytes: DEFAULT_BUDGET_BYTES,
    offline: false,
    timeoutMs: 30_000,
    retries: 4,
    maxLayerBytes: DEFAULT_LIMITS.maxLayerBytes,
    maxEntries: 5_000_000,
    allowForeign: false,
    insecureRegistries: [],
    onProgress: () => undefined,
    signal: new AbortController().signal,
  };
}
