/** The library's one entrance: a session with the operations bound to it. */
import { availableParallelism } from 'node:os';
import { DEFAULT_LIMITS } from '../compression/limits.ts';
import { defaultCacheDir } from '../config.ts';
import { homeOf } from '../home-directory.ts';
import { DEFAULT_BUDGET_BYTES } from '../pipeline/memory-budget.ts';
import { cachePath } from './cache-path.ts';
import { pinLayers, unpinLayers } from './cache-pins.ts';
import { preparePrune, type PruneRequest } from './cache-prune.ts';
import type {
  CacheListResult,
  CachePathResult,
  CachePinsResult,
  CacheUsageResult,
  CacheVerifyResult,
  PruneResult,
} from './cache-results.ts';
import { cacheUsage, listCache } from './cache-usage.ts';
import { verifyCache, type CacheVerifyRequest } from './cache-verify.ts';
import { indexImage } from './index-image.ts';
import type { IndexRequest } from './index-request.ts';
import { inspectImage, type InspectRequest } from './inspect.ts';
import { openSession, type Session } from './open-session.ts';
import { pushCache, type PushRequest } from './push-cache.ts';
import type { IndexResult, InspectResult, PushResult, WarmResult } from './results.ts';
import type { SessionOptions } from './session.ts';
import { warmImages, type WarmRequest } from './warm.ts';

export type CacheOptions = Partial<SessionOptions>;

/** The `cache` commands, of this disk cache. */
export interface DiskOperations {
  /** What takes the space, and for which images. */
  du(): Promise<CacheUsageResult>;
  /** Each layer with its state, the last used first. */
  ls(): Promise<CacheListResult>;
  /** Evicts down to a budget; with `dryRun` it only says what would go. Default: the limits of the cache. */
  prune(request?: Partial<PruneRequest> & { readonly dryRun?: boolean }): Promise<PruneResult>;
  /** What is wrong stands in `corrupt` and `missing`; it throws only when it can't look. */
  verify(request?: Partial<CacheVerifyRequest>): Promise<CacheVerifyResult>;
  /** `verify` that fetches again what is wrong, and drops what can't be fetched. */
  repair(request?: Partial<Omit<CacheVerifyRequest, 'repair'>>): Promise<CacheVerifyResult>;
  /** Keeps the layers of an image, a digest or a diffID. Gives all pins. */
  pin(name: string): Promise<CachePinsResult>;
  /** @throws ClipctlError LAYER_NOT_FOUND when there is no such pin */
  unpin(name: string): Promise<CachePinsResult>;
  /** Where the cache stands, and the layers of an image or digest in it. */
  path(name?: string): Promise<CachePathResult>;
}

export interface Cache extends DiskOperations {
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
    ...diskOperations(session),
    close: () => session.close(),
  };
}

function diskOperations(session: Session): DiskOperations {
  const verify = (request: Partial<CacheVerifyRequest>): Promise<CacheVerifyResult> =>
    verifyCache(session, { full: false, repair: false, from: [], ...request });
  return {
    du: () => cacheUsage(session),
    ls: () => listCache(session),
    prune: async ({ dryRun = false, ...request } = {}) => {
      const { plan, run } = await preparePrune(session, { keep: [], ...request });
      return dryRun ? plan : run();
    },
    verify: (request = {}) => verify(request),
    repair: (request = {}) => verify({ ...request, repair: true }),
    pin: (name) => pinLayers(session, name),
    unpin: (name) => unpinLayers(session, name),
    path: (name) => cachePath(session, name),
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
