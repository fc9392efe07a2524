/** An image out of a registry (OCI distribution specification, "Pull"). */
import { Readable } from 'node:stream';
import type { CredentialProvider } from '../auth/credentials.ts';
import { ClipctlError, errorClassOf, errorCodeOf } from '../errors.ts';
import { headerOf, type HttpClient, type HttpResponse } from '../http/http-client.ts';
import { readBody } from '../http/read-body.ts';
import { openParallelBody, type ParallelOptions } from '../http/parallel-body.ts';
import { openResumingBody, type ResumingBodyOptions } from '../http/resuming-body.ts';
import { withRetry, type RetryPolicy } from '../http/retry.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts';
import { MAX_MANIFEST_BYTES, parseManifest } from '../oci/manifest.ts';
import { assertUsableLayer, MANIFEST_ACCEPT } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import { tooLarge } from '../oci/strict-json.ts';
import type {
  DocumentStore,
  ImageSource,
  OpenBlobOptions,
  OtherManifest,
  PlatformManifest,
  ResolvedImage,
  ResolveOptions,
} from './image-source.ts';
import { ImageTree, type RootDocument } from './image-tree.ts';
import { MirroredConnection, type MirroredRequest } from '../auth/mirrored-connection.ts';
import { RegistryConnection, type RegistryRequest } from '../auth/registry-connection.ts';
import { repositoryAt, type Mirror } from './mirrors.ts';
import { openRoot, platformsOf, resolveImage, type ImageRoot } from './resolve-image.ts';
import { assertBytes, digestOf } from './verified-bytes.ts';

export interface RegistryOptions {
  /** Called when the source is closed: ends the connections if they are the source's own. */
  readonly closeConnections: () => Promise<void>;
  readonly http: HttpClient;
  readonly policy: RetryPolicy;
  readonly credentials: CredentialProvider;
  readonly insecureRegistries: readonly string[];
  readonly allowForeign: boolean;
  /** How long blobs are read over several connections; default: over one. */
  readonly parallel?: ParallelOptions | undefined;
  /** Asked before the registry, in order. */
  readonly mirrors?: readonly Mirror[] | undefined;
  /** Logins of mirrors: what was typed for the registry is not for them. */
  readonly mirrorCredentials?: CredentialProvider | undefined;
  /** Hears of the order of mirrors, and of those passed over. */
  readonly onMirror?: ((message: string) => void) | undefined;
  /** Hears that the registry is spoken to without TLS, and why. */
  readonly onPlainHttp?: ((message: string) => void) | undefined;
  /** Asked before the registry for what is named by digest. */
  readonly documents?: DocumentStore | undefined;
}

/**
 * Asks nothing yet. The tag is resolved once: from then on everything is asked for by digest.
 * @param text the reference as the user wrote it
 */
export function openRegistrySource(text: string, reference: Reference, options: RegistryOptions): ImageSource {
  return new RegistrySource(text, reference, options);
}

class RegistrySource implements ImageSource {
  readonly kind = 'registry';
  readonly #text: string;
  readonly #reference: Reference;
  readonly #options: RegistryOptions;
  readonly #connection: MirroredConnection;
  readonly #tree: ImageTree;
  readonly #closing = new AbortController();
  #root: Promise<ImageRoot> | undefined;

  constructor(text: string, reference: Reference, options: RegistryOptions) {
    this.#text = text;
    this.#reference = reference;
    this.#options = options;
    this.#connection = connectionOf(reference, options, this.#closing.signal);
    this.#tree = new ImageTree((descriptor, kind, signal) => this.#readDocument(descriptor, kind, signal));
  }

  get requestCount(): number {
    return this.#options.http.requestCount;
  }

  async resolve({ signal, platform, digest }: ResolveOptions): Promise<ResolvedImage> {
    const { registry, repository, tag } = this.#reference;
    const origin = { registry, repository, ...(tag === undefined ? {} : { tag }) };
    return resolveImage(this.#tree, await this.#openRoot(signal), { reference: this.#text, origin, platform, digest, signal });
  }

  async listPlatforms({ signal }: { signal: AbortSignal }): Promise<readonly PlatformManifest[]> {
    return platformsOf(this.#tree, await this.#openRoot(signal), signal);
  }

  async listOthers({ signal }: { signal: AbortSignal }): Promise<readonly OtherManifest[]> {
    await this.#openRoot(signal);
    return this.#tree.others;
  }

  async openBlob(descriptor: Descriptor, options: OpenBlobOptions): Promise<Readable> {
    const { signal, range, isParallel = false, ahead, isRefetch: skipsMirrors = false } = options;
    signal.throwIfAborted();
    if ('diffId' in descriptor) assertUsableLayer(descriptor, this.#options);
    const { digest, sizeBytes } = descriptor;
    const start = Math.min(range?.start ?? 0, sizeBytes);
    const end = Math.min(range?.end ?? sizeBytes, sizeBytes);
    // No Range header can ask for nothing; the empty blob itself is asked for, since it may be missing.
    if (start >= end && sizeBytes > 0) return Readable.from([]);
    const request = this.#blobRequest(digest);
    const { parallel, policy } = this.#options;
    const body: ResumingBodyOptions = {
      what: `${this.#reference.registry}: blob ${digest}`,
      start,
      end,
      sizeBytes,
      policy,
      signal,
      open: (headers, attempt) =>
        this.#connection.get({ ...request, headers: { ...request.headers, ...headers }, signal: attempt, skipsMirrors }),
    };
    if (parallel === undefined || !isParallel) return openResumingBody(body);
    return openParallelBody({ ...body, parallel, ahead, host: this.#reference.registry });
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClipctlError('ABORTED', 'the source was closed'));
    await this.#options.closeConnections();
  }

  #openRoot(signal: AbortSignal): Promise<ImageRoot> {
    this.#root ??= this.#findRoot(this.#closing.signal).catch((error: unknown) => {
      this.#root = undefined;
      throw error;
    });
    return waitOrAbort(this.#root, signal);
  }

  async #findRoot(signal: AbortSignal): Promise<ImageRoot> {
    const { digest, tag } = this.#reference;
    const kept = digest === undefined ? undefined : await this.#readKept(digest);
    const root =
      kept === undefined ? await this.#fetchRoot(digest ?? tag ?? 'latest', digest, signal) : this.#tree.add(kept, undefined);
    return openRoot(this.#tree, root, signal);
  }

  async #fetchRoot(name: string, pinned: Digest | undefined, signal: AbortSignal): Promise<RootDocument> {
    return this.#retrying(this.#manifestRequest(name, signal), async (request) => {
      const response = await this.#connection.get(request);
      const mediaType = headerOf(response, 'content-type');
      const promised = pinned ?? promisedDigest(response);
      const bytes = await readDocumentBody(response, request, MAX_MANIFEST_BYTES);
      if (promised !== undefined) assertBytes(bytes, { digest: promised }, request.what);
      const root = this.#tree.add(bytes, mediaType);
      // One that only its Content-Type explains would be read as something else without it.
      const { mediaType: own } = parseManifest(bytes, { what: request.what });
      if (own === root.content.mediaType) this.#options.documents?.offer(root.digest, bytes);
      return root;
    });
  }

  async #readDocument({ digest, sizeBytes }: Descriptor, kind: 'manifest' | 'config', signal: AbortSignal): Promise<Uint8Array> {
    const kept = await this.#readKept(digest);
    if (kept !== undefined) return kept;
    const request = kind === 'manifest' ? this.#manifestRequest(digest, signal) : { ...this.#blobRequest(digest), signal };
    const maxBytes = kind === 'manifest' ? MAX_MANIFEST_BYTES : MAX_CONFIG_BYTES;
    const bytes = await this.#retrying(request, async (asked) => {
      const body = await readDocumentBody(await this.#connection.get(asked), asked, maxBytes);
      assertBytes(body, { digest, sizeBytes }, asked.what);
      return body;
    });
    this.#options.documents?.offer(digest, bytes);
    return bytes;
  }

  /** What an earlier run has kept, when it is still what its digest says. */
  async #readKept(digest: Digest): Promise<Uint8Array | undefined> {
    const kept = await this.#options.documents?.read(digest);
    return kept !== undefined && digestOf(kept) === digest ? kept : undefined;
  }

  /** Wrong bytes may be a mirror's: then the registry itself is asked. */
  async #retrying<T>(request: RegistryRequest, attempt: (request: MirroredRequest) => Promise<T>): Promise<T> {
    const { what, signal } = request;
    const context = { what: `${this.#reference.registry}: ${what}`, policy: this.#options.policy, signal };
    try {
      return await withRetry(context, () => attempt(request));
    } catch (error) {
      if (!this.#connection.hasMirrors || errorClassOf(errorCodeOf(error)) !== 'integrity') throw error;
      context.policy.onRetry?.({ what: context.what, attempt: 1, most: 1, waitMs: 0, reason: errorCodeOf(error) });
      return withRetry(context, () => attempt({ ...request, skipsMirrors: true }));
    }
  }

  #manifestRequest(name: string, signal: AbortSignal): RegistryRequest {
    const what = `manifest ${name} of ${this.#reference.repository}`;
    return { path: `manifests/${name}`, what, missing: 'IMAGE_NOT_FOUND', headers: { accept: MANIFEST_ACCEPT }, signal };
  }

  #blobRequest(digest: Digest): Omit<RegistryRequest, 'signal'> {
    const what = `blob ${digest} of ${this.#reference.repository}`;
    // Any content coding would change the bytes that the digest is of.
    return { path: `blobs/${digest}`, what, missing: 'BLOB_NOT_FOUND', headers: { 'accept-encoding': 'identity' } };
  }
}

function connectionOf(reference: Reference, options: RegistryOptions, signal: AbortSignal): MirroredConnection {
  const { mirrors = [], mirrorCredentials = async () => undefined, onMirror = () => undefined } = options;
  const own = { name: reference.registry, connection: new RegistryConnection({ ...options, ...reference, signal }) };
  const others = mirrors
    .filter(({ registry }) => registry === reference.registry)
    .map((mirror) => ({
      name: `${mirror.url.host}${mirror.url.pathname}`.replace(/\/$/, ''),
      connection: new RegistryConnection({
        ...options,
        registry: mirror.url.host,
        base: new URL(mirror.url.origin),
        repository: repositoryAt(mirror, reference.repository),
        credentials: mirrorCredentials,
        signal,
      }),
    }));
  return new MirroredConnection(others, own, onMirror);
}

/** What the registry says the manifest's digest is; it must be one, and it must hold. */
function promisedDigest(response: HttpResponse): Digest | undefined {
  const header = headerOf(response, 'docker-content-digest');
  if (header === undefined) return undefined;
  try {
    return parseDigest(header, 'Docker-Content-Digest');
  } catch (error) {
    response.body.destroy();
    throw error;
  }
}

async function readDocumentBody(response: HttpResponse, { what, signal }: RegistryRequest, maxBytes: number): Promise<Buffer> {
  const { bytes, isWhole } = await readBody(response, maxBytes, signal);
  if (!isWhole) throw tooLarge({ what, maxBytes }, Number(headerOf(response, 'content-length') ?? maxBytes + 1));
  return bytes;
}
