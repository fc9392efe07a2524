/**
 * A remote cache in a repository of a registry (`oci://host/repository`): a blob for each layer, kept alive by an artifact
 * manifest that is written last and read first. What has no manifest is not there, and the registry's own garbage
 * collection takes it away.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { RegistryConnection } from '../../../auth/registry-connection.ts';
import { ClipctlError, errorCodeOf } from '../../../errors.ts';
import { createHttpClient, discardBody } from '../../../http/http-client.ts';
import { readBody } from '../../../http/read-body.ts';
import { bodyOfBytes } from '../../../http/request-body.ts';
import { openResumingBody } from '../../../http/resuming-body.ts';
import type { RetryPolicy } from '../../../http/retry.ts';
import { digestOfHash, type ContentHash } from '../../../oci/digest.ts';
import { parseReference } from '../../../oci/reference.ts';
import type { ChunkSource } from '../../chunk-source.ts';
import { ContentCheck } from '../../content-check.ts';
import type {
  CacheCallOptions,
  CacheCapabilities,
  ContentCache,
  ContentInfo,
  ContentRange,
  StoreOptions,
  StoreResult,
  Unverified,
} from '../../content-cache.ts';
import { requireRange } from '../../file-readable.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { remoteReadable } from '../remote-readable.ts';
import { BlobUpload } from './blob-upload.ts';
import {
  EMPTY_CONFIG,
  EMPTY_CONFIG_TEXT,
  layerManifest,
  MANIFEST_TYPE,
  MAX_LAYER_MANIFEST_BYTES,
  sizeInManifest,
  tagOf,
} from './layer-manifest.ts';
import { listLayerTags } from './list-tags.ts';

/** To tidy up after a failure; what is not reached the registry purges by itself. */
const ABANDON_MS = 2000;

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
  });
  return new RegistryRemote(`oci://${registry}/${repository}`, { connection, closing, policy: context.policy });
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
}

class RegistryRemote implements ContentCache {
  readonly url: string;
  readonly capabilities: CacheCapabilities = { ranges: true, list: true, delete: true, conditionalPut: false };
  readonly #connection: RegistryConnection;
  readonly #closing: AbortController;
  readonly #policy: RetryPolicy;

  constructor(url: string, { connection, closing, policy }: RemoteParts) {
    this.url = url;
    this.#connection = connection;
    this.#closing = closing;
    this.#policy = policy;
  }

  async contentExists(hash: ContentHash, { signal }: CacheCallOptions): Promise<ContentInfo | undefined> {
    const sizeBytes = (await this.#readManifest(hash, signal))?.sizeBytes;
    if (sizeBytes === undefined) return undefined;
    const request = { path: `blobs/${digestOfHash(hash)}`, what: `blob ${hash}`, method: 'HEAD', accepted: [200, 404] } as const;
    const response = await this.#connection.send({ ...request, missing: 'BLOB_NOT_FOUND', headers: {}, signal });
    await discardBody(response);
    return response.status === 200 ? { sizeBytes } : undefined;
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
    return remoteReadable(this.#bytes(hash, { start, end, sizeBytes }, signal), expected);
  }

  async *#bytes(hash: ContentHash, span: BlobSpan, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    if (span.start === span.end) return;
    const what = `blob ${digestOfHash(hash)}`;
    const request = { path: `blobs/${digestOfHash(hash)}`, what, missing: 'BLOB_NOT_FOUND' } as const;
    yield* await openResumingBody({
      ...span,
      what: `${this.url}: ${what}`,
      policy: this.#policy,
      signal,
      open: (headers, attempt) =>
        this.#connection.get({ ...request, headers: { 'accept-encoding': 'identity', ...headers }, signal: attempt }),
    });
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
    const isThere = !replace && (await this.contentExists(hash, { signal })) !== undefined;
    if (isThere) return { sentBytes: 0, chunks: 0, skipped: true };
    const { sentBytes, chunks } = await this.#upload(source, { check: new ContentCheck(hash, sizeBytes), hash, signal });
    await this.#uploadConfig(signal);
    await this.#writeManifest(hash, layerManifest(hash, sentBytes), signal);
    return { sentBytes, chunks, skipped: false };
  }

  async #upload(source: ChunkSource, sending: Sending): Promise<{ readonly sentBytes: number; readonly chunks: number }> {
    const { hash, signal } = sending;
    const upload = await BlobUpload.begin(this.#connection, signal);
    try {
      let { check } = sending;
      let chunks = 0;
      for await (const chunk of source) {
        signal.throwIfAborted();
        const before = check;
        chunks += 1;
        await upload.append({
          sizeBytes: chunk.length,
          // A chunk that has to be sent again after a login is counted once.
          open: () => checkedPieces(chunk.stream(), (check = before.copy())),
        });
      }
      check.finish();
      await upload.finish(digestOfHash(hash));
      return { sentBytes: check.seenBytes, chunks };
    } catch (error) {
      await upload.abandon(AbortSignal.timeout(ABANDON_MS)).catch(() => undefined);
      throw error;
    }
  }

  async #uploadConfig(signal: AbortSignal): Promise<void> {
    const { digest } = EMPTY_CONFIG;
    const request = { path: `blobs/${digest}`, what: 'the empty config', method: 'HEAD', accepted: [200, 404] } as const;
    const known = await this.#connection.send({ ...request, missing: 'REGISTRY_ERROR', headers: {}, signal });
    await discardBody(known);
    if (known.status === 200) return;
    const upload = await BlobUpload.begin(this.#connection, signal);
    await upload.append(bodyOfBytes(Buffer.from(EMPTY_CONFIG_TEXT)));
    await upload.finish(digest);
  }

  async #writeManifest(hash: ContentHash, text: string, signal: AbortSignal): Promise<void> {
    const request = {
      path: `manifests/${tagOf(hash)}`,
      what: `the manifest of layer ${hash}`,
      missing: 'REGISTRY_ERROR',
    } as const;
    const body = bodyOfBytes(Buffer.from(text));
    const headers = { 'content-type': MANIFEST_TYPE };
    await discardBody(await this.#connection.send({ ...request, method: 'PUT', headers, body, accepted: [201], signal }));
  }

  async deleteContent(hash: ContentHash, { signal }: CacheCallOptions): Promise<boolean> {
    const manifest = await this.#readManifest(hash, signal);
    if (manifest === undefined) return false;
    const request = {
      path: `manifests/${manifest.digest}`,
      what: `the manifest of layer ${hash}`,
      missing: 'REGISTRY_ERROR',
    } as const;
    const response = await this.#connection.send({
      ...request,
      method: 'DELETE',
      headers: {},
      accepted: [200, 202, 404, 405],
      signal,
    });
    await discardBody(response);
    if (response.status === 405) throw deleteRefused(this.url);
    return response.status !== 404;
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

  /** `undefined`: there is none, or it is of something else. */
  async #readManifest(
    hash: ContentHash,
    signal: AbortSignal,
  ): Promise<{ readonly sizeBytes: number; readonly digest: string } | undefined> {
    const request = {
      path: `manifests/${tagOf(hash)}`,
      what: `the manifest of layer ${hash}`,
      missing: 'BLOB_NOT_FOUND',
    } as const;
    const headers = { accept: MANIFEST_TYPE };
    const response = await this.#connection.send({ ...request, method: 'GET', headers, accepted: [200, 404], signal });
    if (response.status === 404) {
      await discardBody(response);
      return undefined;
    }
    const { bytes, isWhole } = await readBody(response, MAX_LAYER_MANIFEST_BYTES, signal);
    const sizeBytes = isWhole ? sizeInManifest(bytes.toString('utf8'), hash) : undefined;
    return sizeBytes === undefined ? undefined : { sizeBytes, digest: digestOfManifest(bytes) };
  }
}

interface BlobSpan {
  readonly start: number;
  readonly end: number;
  readonly sizeBytes: number;
}

interface Sending {
  readonly check: ContentCheck;
  readonly hash: ContentHash;
  readonly signal: AbortSignal;
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

/** The digest under which it can be deleted; what the registry says is not needed for it. */
function digestOfManifest(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function deleteRefused(url: string): ClipctlError {
  return new ClipctlError('FORBIDDEN', `${url}: the registry does not delete manifests`, {
    details: { url },
    hint: 'Allow it there (for docker-registry: storage.delete.enabled), or delete with the means of the registry.',
  });
}
