import { setMaxListeners } from 'node:events';
import { openDiskCache, type DiskCache } from '../cache/disk/disk-cache.ts';
import type { DiskCacheOptions } from '../cache/disk/disk-cache-options.ts';
import { KeptDocuments } from '../cache/disk/kept-documents.ts';
import type { ContentCache } from '../cache/content-cache.ts';
import type { RemoteUse } from '../cache/remote-cache.ts';
import type { RemoteContext } from '../cache/remote-context.ts';
import { WaitingAllowance } from '../cache/waiting-allowance.ts';
import { openRemote } from '../cache/remote/open-remote.ts';
import { ingestDirectory, prepareCacheDirectory, prepareOwnDirectory, uploadsDirectory } from '../cache/disk/cache-layout.ts';
import { requireOwnDirectories } from '../cache/disk/own-directories.ts';
import { ClipctlError } from '../errors.ts';
import { createDispatcher, type Dispatcher } from '../http/dispatcher.ts';
import { OpenStreams } from '../http/open-streams.ts';
import type { RetryEvent } from '../http/retry.ts';
import { digestOfHash } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';
import { DEFAULT_LIMITS } from '../compression/limits.ts';
import type { PipelineContext } from '../pipeline/ingest-layer.ts';
import { hashOnAllCores } from '../pipeline/hash-in-worker.ts';
import { MemoryBudget } from '../pipeline/memory-budget.ts';
import type { ProgressListener } from '../pipeline/progress.ts';
import { WorkerPool } from '../pipeline/worker-pool.ts';
import { freezeYoungGeneration } from '../pipeline/young-generation.ts';
import type { ImageSource } from '../source/image-source.ts';
import { credentialsOf, openImageSource, type OpenSourceOptions } from '../source/open-source.ts';
import { peakRssBytes } from './peak-rss.ts';
import type { MemoryFigures } from './results.ts';
import type { SessionOptions } from './session.ts';

/** Of one slow layer; a fast one is read over one (http/parallel-body.ts). */
const CONNECTIONS_PER_LAYER = 6;

/** One run: its options, its shared pipeline, and what it has opened. */
export interface Session extends PipelineContext {
  readonly options: SessionOptions;
  /** What remotes that are no need may cost in all. */
  readonly waiting: WaitingAllowance;
  /** The connections of the run; closed with it. */
  readonly dispatcher: Dispatcher;
  /** Manifests and configs of registries; an operation that keeps what it brings keeps them too. */
  readonly documents: KeptDocuments;
  /**
   * @param fresh everything comes from the source itself, also what earlier runs have kept
   * @throws ClipctlError REFERENCE_INVALID, USAGE
   */
  openSource(name: string, fresh?: 'fresh'): ImageSource;
  /** @throws ClipctlError USAGE for an unknown scheme */
  openRemote(url: string, use?: RemoteUse): Promise<ContentCache>;
  /** Requests that all sources of this run have made. */
  requestCount(): number;
  /** Tries after a first one that this run has made, of sources and remotes. */
  retryCount(): number;
  memoryFigures(): MemoryFigures;
  close(): Promise<void>;
}

/** A run with nothing but hanging remotes takes less than 10 s longer (RELIABILITY §2 row 16). */
const WAITING_MS = 8_000;

/** Opens nothing yet: no request, no file, no worker before they are needed. */
export function openSession(options: SessionOptions): Session {
  setMaxListeners(0, options.signal);
  if (options.ownsProcess === true) freezeYoungGeneration();
  const { onProgress, retryCount } = countRetries(options.onProgress);
  const budget = new MemoryBudget(options.maxMemoryBytes);
  const pool = new WorkerPool(options.jobs);
  const disk = openDiskCache(options.cacheDir, diskOptionsOf(options, { budget, pool }));
  const documents = new KeptDocuments(options);
  const sources = new Map<string, ImageSource>();
  const dispatcher = dispatcherOf(options);
  const onLogin = (message: string): void => onProgress({ type: 'login', message });
  const onPlainHttp = onceEach((message) => onProgress({ type: 'notice', message }));
  const shared = {
    ...options,
    archives: archivesOf(options),
    dispatcher,
    parallel: { memory: budget, streams: new OpenStreams(), connections: CONNECTIONS_PER_LAYER },
    onMirror: (message: string) => onProgress({ type: 'mirror', message }),
    onLogin,
    onPlainHttp,
    onRetry: (retry: RetryEvent) => onProgress({ type: 'retry', ...retry }),
  };
  const requireOneRegistry = credentialGuard(options);
  const remotes = new Map<string, Promise<ContentCache>>();
  const remoteContext = remoteContextOf(options, { budget, dispatcher, onRetry: shared.onRetry, onLogin, onPlainHttp });
  return {
    options,
    waiting: new WaitingAllowance(WAITING_MS),
    dispatcher,
    budget,
    pool,
    disk,
    limits: { ...DEFAULT_LIMITS, maxLayerBytes: options.maxLayerBytes },
    maxEntries: options.maxEntries,
    onProgress,
    signal: options.signal,
    documents,
    openSource: (name, fresh) =>
      once(sources, name, () => {
        requireOneRegistry(name);
        return openImageSource(name, fresh === undefined ? { ...shared, documents } : shared);
      }),
    openRemote: (url, use) => once(remotes, url, () => openNoting(url, remoteContext, { use, cacheDir: options.cacheDir })),
    retryCount,
    requestCount: () => [...sources.values()].reduce((sum, source) => sum + source.requestCount, 0),
    memoryFigures: () => ({ peakBufferedBytes: budget.peakBytes, peakRssBytes: peakRssBytes() }),
    close: () => closeSession({ pool, disk, dispatcher }, sources, remotes),
  };
}

async function closeSession(
  { pool, disk, dispatcher }: { readonly pool: WorkerPool; readonly disk: DiskCache; readonly dispatcher: Dispatcher },
  sources: ReadonlyMap<string, ImageSource>,
  remotes: ReadonlyMap<string, Promise<ContentCache>>,
): Promise<void> {
  const opened = await Promise.allSettled(remotes.values());
  const caches = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  await Promise.allSettled([
    pool.close(),
    ...[...sources.values()].map((source) => source.close()),
    ...caches.map((cache) => cache.close()),
  ]);
  await disk.close();
  await dispatcher.close();
}

function countRetries(listener: ProgressListener): Pick<Session, 'onProgress' | 'retryCount'> {
  let retries = 0;
  return {
    onProgress: (event) => {
      if (event.type === 'retry') retries++;
      listener(event);
    },
    retryCount: () => retries,
  };
}

/** Where copies of archives go. */
function archivesOf({ cacheDir, maxLayerBytes, shared = false }: SessionOptions): Required<OpenSourceOptions>['archives'] {
  const spoolDirectory = async (): Promise<string> => {
    await requireOwnDirectories(cacheDir);
    // Else the first copy would make a directory for its owner alone.
    if (shared) await prepareCacheDirectory(cacheDir, { shared });
    await prepareOwnDirectory(cacheDir, 'ingest');
    return ingestDirectory(cacheDir);
  };
  return { spoolDirectory, maxBytes: maxLayerBytes };
}

/** How the disk cache keeps its limits, and says what it had to evict for them. */
function diskOptionsOf(
  options: SessionOptions,
  own: { readonly budget: MemoryBudget; readonly pool: WorkerPool },
): DiskCacheOptions {
  const { maxCacheBytes, minFreeBytes, shared = false, durability, lockTimeoutMs, onProgress } = options;
  return {
    budget: own.budget,
    hashFile: (path, about) => hashOnAllCores(path, { ...about, ...own }),
    shared,
    ...(maxCacheBytes === undefined ? {} : { maxCacheBytes }),
    ...(minFreeBytes === undefined ? {} : { minFreeBytes }),
    ...(durability === undefined ? {} : { durability }),
    ...(lockTimeoutMs === undefined ? {} : { lockTimeoutMs }),
    // For who shares a directory in ways that we can't see: no flag, since nobody should need it.
    ...(process.env['CLIPCTL_LOCKS'] === 'lease' ? { locks: 'lease' as const } : {}),
    onEvicted: (layers) => {
      for (const { hash, diskBytes } of layers)
        onProgress({ type: 'layer-evicted', layer: digestOfHash(hash), bytes: diskBytes });
    },
    onWait: (holder) => {
      const who = holder === undefined ? 'another process' : `lock pid ${holder.pid} (${holder.command}) on ${holder.host}`;
      const rest = holder?.isStopped === true ? ', which is stopped' : '';
      onProgress({ type: 'notice', message: `waiting for room in the cache directory: ${who}${rest}` });
    },
  };
}

/** The connections of this run. */
function dispatcherOf({ timeoutMs, insecureRegistries, caFile, maxBytesPerSecond }: SessionOptions): Dispatcher {
  const insecureHosts = insecureRegistries.map((host) => host.toLowerCase());
  return createDispatcher({
    timeoutMs,
    insecureHosts,
    environment: process.env,
    ...(caFile === undefined ? {} : { caFile }),
    ...(maxBytesPerSecond === undefined ? {} : { maxBytesPerSecond }),
  });
}

interface Listeners {
  readonly onRetry: (retry: RetryEvent) => void;
  readonly onLogin: (message: string) => void;
  readonly onPlainHttp: (message: string) => void;
}

/** A driver notes in the cache directory what it has under way. */
async function openNoting(
  url: string,
  context: RemoteContext,
  { use, cacheDir }: { readonly use: RemoteUse | undefined; readonly cacheDir: string },
): Promise<ContentCache> {
  await requireOwnDirectories(cacheDir);
  return openRemote(url, context, use);
}

/** What drivers of remote caches may use of this run. */
function remoteContextOf(
  options: SessionOptions,
  { budget, dispatcher, onRetry, onLogin, onPlainHttp }: Pick<RemoteContext, 'budget' | 'dispatcher'> & Listeners,
): RemoteContext {
  const { cacheDir, shared = false } = options;
  return {
    budget,
    dispatcher,
    timeoutMs: options.timeoutMs,
    policy: { retries: options.retries, onRetry },
    credentials: credentialsOf({ onLogin }),
    insecureHosts: options.insecureRegistries.map((host) => host.toLowerCase()),
    onPlainHttp,
    ...(options.caFile === undefined ? {} : { caFile: options.caFile }),
    get uploadsDirectory() {
      return uploadsDirectory(cacheDir);
    },
    prepareUploads: async () => {
      if (shared) await prepareCacheDirectory(cacheDir, { shared });
      await prepareOwnDirectory(cacheDir, 'uploads');
    },
    environment: process.env,
    onWarning: (message) => options.onProgress({ type: 'warning', message }),
  };
}

/** A password typed for one registry must not reach another that happens to be named in the same run. */
export function credentialGuard({ credentials }: SessionOptions): (name: string) => void {
  let first: string | undefined;
  return (name) => {
    if (credentials === undefined || /^(?:oci|oci-archive|docker-archive):/.test(name)) return;
    const { registry } = parseReference(name.replace(/^docker:\/\//, ''));
    first ??= registry;
    if (registry === first) return;
    throw new ClipctlError(
      'USAGE',
      `${credentials.origin ?? '--username'} is for one registry, and both ${first} and ${registry} are named`,
      {
        hint: 'Run the command once for each registry, or put the logins into a docker config file.',
      },
    );
  };
}

function onceEach(tell: (message: string) => void): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    if (told.has(message)) return;
    told.add(message);
    tell(message);
  };
}

function once<T>(opened: Map<string, T>, key: string, open: () => T): T {
  const known = opened.get(key);
  if (known !== undefined) return known;
  const fresh = open();
  opened.set(key, fresh);
  return fresh;
}
