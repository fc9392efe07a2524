/**
 * A remote cache in a repository of a registry (`oci://host/repository`): a blob for each layer, kept alive by an artifact
 * manifest that is written last and read first. What has no manifest is not there, and the registry's own garbage
 * collection takes it away.
 */
import type { Readable } from 'node:stream';
import { RegistryConnection } from '../../../auth/registry-connection.ts';
import { ClipctlError, errorCodeOf } from '../../../errors.ts';
import { createHttpClient } from '../../../http/http-client.ts';
import type { RetryPolicy } from '../../../http/retry.ts';
import { digestOfHash, type ContentHash, type Digest } from '../../../oci/digest.ts';
import { parseReference } from '../../../oci/reference.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import { ContentCheck } from '../../content-check.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  EncodedContents,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { remoteReadable } from '../remote-readable.ts';
import type { BlobUpload } from './blob-upload.ts';
import { encodedBlobsIn } from './encoded-blobs.ts';
import { LayerArtifacts } from './layer-artifacts.ts';
import { layerManifest, sizeInManifest, tagOf } from './layer-manifest.ts';
import { listLayerTags } from './list-tags.ts';
import { NotedUploads } from './noted-uploads.ts';

/**
 * Opens without connecting.
 * @throws ClipctlError USAGE
 */
export function openRegistryRemote(url: URL, context: RemoteContext): ContentCache {
  const { registry, repository } = parseRepository(url);
  const closing = new AbortController();
  const connection = new RegistryConnection({
    http: createHttpClient(context.dispatcher),
    registry,
    repository,
    credentials: context.credentials,
    insecureRegistries: context.insecureHosts,
    actions: 'pull,push',
    signal: closing.signal,
    onPlainHttp: context.onPlainHttp,
  });
  const notes = new NotedUploads({ registry, repository }, context);
  return new RegistryRemote(`oci://${registry}/${repository}`, { connection, closing, policy: context.policy, notes });
}

function parseRepository(url: URL): { readonly registry: string; readonly repository: string } {
  const problem = url.username !== '' || url.password !== '' ? 'a login stands in docker login, not in the URL' : undefined;
  if (problem !== undefined || url.host === '' || url.search !== '' || url.hash !== '') throw unusable(problem);
  const path = url.pathname.slice(1);
  if (/[:@]/.test(path)) throw unusable('it names a repository, without tag or digest');
  try {
    const { registry, repository } = parseReference(`${url.host}/${path}`);
    if (registry !== url.host.toLowerCase()) throw unusable('it names no registry');
    return { registry, repository };
  } catch (error) {
    if (errorCodeOf(error) === 'USAGE') throw error;
    throw unusable('it names no repository');
  }
}

function unusable(problem = 'it has parts that mean nothing there'): ClipctlError {
  return new ClipctlError('USAGE', `an oci: URL cannot be used: ${problem}`, { hint: 'Write oci://host[:port]/repository.' });
}

interface RemoteParts {
  readonly connection: RegistryConnection;
  readonly closing: AbortController;
  readonly policy: RetryPolicy;
  readonly notes: NotedUploads;
}

class RegistryRemote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: false };
  readonly encoded: EncodedContents;
  readonly #connection: RegistryConnection;
  readonly #closing: AbortController;
  readonly #artifacts: LayerArtifacts;

  constructor(url: string, { connection, closing, policy, notes }: RemoteParts) {
    this.url = url;
    this.#connection = connection;
    this.#closing = closing;
    this.#artifacts = new LayerArtifacts({ url, connection, policy, notes });
    this.encoded = encodedBlobsIn(this.#artifacts);
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const manifest = await this.#artifacts.manifest(tagOf(hash), signal);
    const sizeBytes = manifest === undefined ? undefined : sizeInManifest(manifest, hash);
    if (sizeBytes === undefined) return undefined;
    return (await this.#artifacts.blobExists(digestOfHash(hash), signal)) ? { sizeBytes } : undefined;
  }

  getContent(hash: ContentHash, options: CacheCallOptions): Promise<Readable | undefined>;
  getContent(hash: ContentHash, options: CacheCallOptions & ContentRange): Promise<Unverified<Readable> | undefined>;
  async getContent(hash: ContentHash, options: CacheCallOptions & Partial<ContentRange>): Promise<Readable | undefined> {
    const range = requireRange(options);
    const { signal } = options;
    const info = await this.contentExists(hash, { signal });
    if (info === undefined) return undefined;
    const { sizeBytes } = info;
    const start = Math.min(range?.offset ?? 0, sizeBytes);
    const end = Math.min(start + (range?.length ?? sizeBytes), sizeBytes);
    const expected = { url: this.url, hash, sizeBytes: end - start, isWhole: range === undefined, signal };
    return remoteReadable(this.#artifacts.read(digestOfHash(hash), { start, end, sizeBytes }, signal), expected);
  }

  storeContent(source: ChunkSource, hash: ContentHash, options: StoreOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  storeUnsized(source: ChunkSource, hash: ContentHash, options: CacheCallOptions): Promise<StoreResult> {
    return this.#store(source, hash, options);
  }

  async #store(
    source: ChunkSource,
    hash: ContentHash,
    { sizeBytes, signal, replace = false }: CacheCallOptions & Partial<StoreOptions>,
  ): Promise<StoreResult> {
    await this.#artifacts.clean(signal);
    const isThere = !replace && (await this.contentExists(hash, { signal })) !== undefined;
    if (isThere) return { sentBytes: 0, chunks: 0, skipped: true };
    const sending = { check: new ContentCheck(hash, sizeBytes), hash, signal };
    const { sentBytes, chunks } = await this.#artifacts.upload((upload) => sendChunks(upload, source, sending), signal);
    await this.#artifacts.publish(tagOf(hash), layerManifest(hash, sentBytes), signal);
    if (replace) await this.#requireReplaced(hash, signal);
    return { sentBytes, chunks, skipped: false };
  }

  /** A registry that has a blob of this name takes no other bytes for it, and still says that it did (docker-registry 2.8). */
  async #requireReplaced(hash: ContentHash, signal: AbortSignal): Promise<void> {
    const stream = await this.getContent(hash, { signal });
    try {
      for await (const _piece of stream ?? []);
    } catch (error) {
      if (errorCodeOf(error) !== 'CACHE_CORRUPT' && errorCodeOf(error) !== 'SIZE_MISMATCH') throw error;
      throw new ClipctlError('CACHE_CORRUPT', `${this.url} keeps wrong bytes of ${digestOfHash(hash)}`, {
        cause: error,
        hint: 'The registry replaces no blob that it has: remove it there (garbage collection, or its storage).',
      });
    }
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    const manifest = await this.#artifacts.manifest(tagOf(hash), signal);
    if (manifest === undefined || sizeInManifest(manifest, hash) === undefined) return false;
    return this.#artifacts.delete(tagOf(hash), manifest, signal);
  }

  async *listContent(options: CacheCallOptions): AsyncIterable<{ readonly hash: ContentHash } & ContentInfo> {
    for await (const hash of listLayerTags(this.#connection, options.signal)) {
      const info = await this.contentExists(hash, options);
      if (info !== undefined) yield { hash, ...info };
    }
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClipctlError('ABORTED', 'the remote cache was closed'));
  }
}

interface Sending {
  readonly check: ContentCheck;
  readonly hash: ContentHash;
  readonly signal: AbortSignal;
}

async function sendChunks(
  upload: BlobUpload,
  source: ChunkSource,
  sending: Sending,
): Promise<{ readonly digest: Digest; readonly sentBytes: number; readonly chunks: number }> {
  let { check } = sending;
  let chunks = 0;
  for await (const chunk of source) {
    sending.signal.throwIfAborted();
    const before = check;
    chunks += 1;
    await upload.append({
      sizeBytes: chunk.length,
      // A chunk that has to be sent again after a login is counted once.
      open: () => checkedPieces(chunk.stream(), (check = before.copy())),
    });
  }
  check.finish();
  return { digest: digestOfHash(sending.hash), sentBytes: check.seenBytes, chunks };
}

async function* checkedPieces(
  pieces: AsyncIterable<Uint8Array>,
  check: ContentCheck,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of pieces) {
    check.take(piece);
    yield piece;
  }
}
