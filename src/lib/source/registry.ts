/** An image out of a registry (OCI distribution specification, "Pull"). */
import { Readable } from 'node:stream';
import type { CredentialProvider } from '../auth/credentials.ts';
import { ClipctlError } from '../errors.ts';
import { headerOf, type HttpClient, type HttpResponse } from '../http/http-client.ts';
import { readBody } from '../http/read-body.ts';
import { openParallelBody, type ParallelOptions } from '../http/parallel-body.ts';
import { openResumingBody, type ResumingBodyOptions } from '../http/resuming-body.ts';
import { withRetry, type RetryPolicy } from '../http/retry.ts';
import { waitOrAbort } from '../http/wait-or-abort.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts';
import { assertUsableLayer, MANIFEST_ACCEPT } from '../oci/media-types.ts';
import type { Reference } from '../oci/reference.ts';
import { tooLarge } from '../oci/strict-json.ts';
import type { ImageSource, OpenBlobOptions, PlatformManifest, ResolvedImage, ResolveOptions } from './image-source.ts';
import { ImageTree, type RootDocument } from './image-tree.ts';
import { RegistryConnection, type RegistryRequest } from '../auth/registry-connection.ts';
import { openRoot, platformsOf, resolveImage, type ImageRoot } from './resolve-image.ts';
import { assertBytes } from './verified-bytes.ts';

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
  readonly #connection: RegistryConnection;
  readonly #tree: ImageTree;
  readonly #closing = new AbortController();
  #root: Promise<ImageRoot> | undefined;

  constructor(text: string, reference: Reference, options: RegistryOptions) {
    this.#text = text;
    this.#reference = reference;
    this.#options = options;
    this.#connection = new RegistryConnection({ ...options, ...reference, signal: this.#closing.signal });
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

  async openBlob(descriptor: Descriptor, { signal, range }: OpenBlobOptions): Promise<Readable> {
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
        this.#connection.get({ ...request, headers: { ...request.headers, ...headers }, signal: attempt }),
    };
    if (parallel === undefined) return openResumingBody(body);
    return openParallelBody({ ...body, parallel, host: this.#reference.registry });
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
    return openRoot(this.#tree, await this.#fetchRoot(digest ?? tag ?? 'latest', digest, signal), signal);
  }

  async #fetchRoot(name: string, pinned: Digest | undefined, signal: AbortSignal): Promise<RootDocument> {
    const request = this.#manifestRequest(name, signal);
    return this.#retrying(request, async () => {
      const response = await this.#connection.get(request);
      const mediaType = headerOf(response, 'content-type');
      const promised = pinned ?? promisedDigest(response);
      const bytes = await readDocumentBody(response, request, MAX_MANIFEST_BYTES);
      if (promised !== undefined) assertBytes(bytes, { digest: promised }, request.what);
      return this.#tree.add(bytes, mediaType);
    });
  }

  #readDocument({ digest }: Descriptor, kind: 'manifest' | 'config', signal: AbortSignal): Promise<Uint8Array> {
    const request = kind === 'manifest' ? this.#manifestRequest(digest, signal) : { ...this.#blobRequest(digest), signal };
    const maxBytes = kind === 'manifest' ? MAX_MANIFEST_BYTES : MAX_CONFIG_BYTES;
    return this.#retrying(request, async () => readDocumentBody(await this.#connection.get(request), request, maxBytes));
  }

  #retrying<T>({ what, signal }: RegistryRequest, attempt: () => Promise<T>): Promise<T> {
    return withRetry({ what: `${this.#reference.registry}: ${what}`, policy: this.#options.policy, signal }, attempt);
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
