/**
 * Layers in a repository: a blob, and the artifact manifest under a tag that keeps it alive, written last and read first.
 * What has no manifest is not there.
 */
import { createHash } from 'node:crypto';
import type { RegistryConnection } from '../../../auth/registry-connection.ts';
import { ClipctlError } from '../../../errors.ts';
import { discardBody, headerOf, type HttpResponse } from '../../../http/http-client.ts';
import { readBody } from '../../../http/read-body.ts';
import { bodyOfBytes } from '../../../http/request-body.ts';
import { openResumingBody } from '../../../http/resuming-body.ts';
import { withOwnRetry, type RetryPolicy } from '../../../http/retry.ts';
import { waitOrAbort } from '../../../http/wait-or-abort.ts';
import type { Digest } from '../../../oci/digest.ts';
import { BlobUpload } from './blob-upload.ts';
import { EMPTY_CONFIG, EMPTY_CONFIG_TEXT, MANIFEST_TYPE, MAX_LAYER_MANIFEST_BYTES } from './layer-manifest.ts';
import type { NotedUploads } from './noted-uploads.ts';
import { SharedBlob } from './shared-blob.ts';

/** To tidy up after a failure; what is not reached is left to the next run. */
const ABANDON_MS = 1000;

export interface ArtifactsOptions {
  readonly url: string;
  readonly connection: RegistryConnection;
  readonly policy: RetryPolicy;
  readonly notes: NotedUploads;
}

export interface BlobSpan {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** Of the whole blob. */
  readonly sizeBytes: number;
}

export class LayerArtifacts {
  readonly url: string;
  readonly #connection: RegistryConnection;
  readonly #policy: RetryPolicy;
  readonly #notes: NotedUploads;
  readonly #config = new SharedBlob();

  constructor({ url, connection, policy, notes }: ArtifactsOptions) {
    this.url = url;
    this.#connection = connection;
    this.#policy = policy;
    this.#notes = notes;
  }

  /** Cancels what killed runs left, before the first upload of this one; it never fails. */
  clean(signal: AbortSignal): Promise<void> {
    return waitOrAbort(this.#notes.clean(this.#connection), signal);
  }

  /** The text of the manifest; `undefined`: there is none, or it is longer than one of ours. */
  async manifest(tag: string, signal: AbortSignal): Promise<string | undefined> {
    const headers = { accept: MANIFEST_TYPE };
    const response = await this.#connection.send({ ...aboutTag(tag), method: 'GET', headers, accepted: [200, 404], signal });
    if (response.status === 404) {
      await discardBody(response);
      return undefined;
    }
    const { bytes, isWhole } = await readBody(response, MAX_LAYER_MANIFEST_BYTES, signal);
    return isWhole ? bytes.toString('utf8') : undefined;
  }

  async blobExists(digest: Digest, signal: AbortSignal): Promise<boolean> {
    const request = { ...aboutBlob(digest), method: 'HEAD', accepted: [200, 404] } as const;
    const response = await this.#connection.send({ ...request, headers: {}, signal });
    await discardBody(response);
    return response.status === 200;
  }

  async *read(digest: Digest, span: BlobSpan, signal: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    if (span.start === span.end) return;
    yield* await openResumingBody({
      ...span,
      what: `${this.url}: blob ${digest}`,
      policy: this.#policy,
      signal,
      open: async (headers, attempt) => {
        const wanted = { 'accept-encoding': 'identity', ...headers };
        return requirePlain(await this.#connection.get({ ...aboutBlob(digest), headers: wanted, signal: attempt }));
      },
    });
  }

  /** `send` fills the upload and says which blob it is; when it fails the registry may throw away what it has. */
  async upload<T extends { readonly digest: Digest }>(send: (upload: BlobUpload) => Promise<T>, signal: AbortSignal): Promise<T> {
    const upload = await BlobUpload.begin({ connection: this.#connection, notes: this.#notes }, signal);
    try {
      const sent = await send(upload);
      await upload.finish(sent.digest);
      return sent;
    } catch (error) {
      await upload.abandon(AbortSignal.timeout(ABANDON_MS)).catch(() => undefined);
      throw error;
    }
  }

  /** Makes the blob visible under the tag. It is tried again by itself: the layer is there, and need not be sent once more. */
  publish(tag: string, manifest: string, signal: AbortSignal): Promise<void> {
    const what = `${this.url}: ${aboutTag(tag).what}`;
    return withOwnRetry({ what, policy: this.#policy, signal }, async () => {
      await this.#config.bring(() => this.#uploadConfig(signal), signal);
      try {
        await this.#putManifest(tag, manifest, signal);
      } catch (error) {
        this.#config.forget();
        throw error;
      }
    });
  }

  /** Whoever else sends one of its blobs at this moment may hide it, and replicas of a registry may not know it yet. */
  async #putManifest(tag: string, manifest: string, signal: AbortSignal): Promise<void> {
    const body = bodyOfBytes(Buffer.from(manifest));
    const passing = ['MANIFEST_BLOB_UNKNOWN', 'BLOB_UNKNOWN'] as const;
    const request = { ...aboutTag(tag), passing, method: 'PUT', accepted: [201] } as const;
    await discardBody(await this.#connection.send({ ...request, headers: { 'content-type': MANIFEST_TYPE }, body, signal }));
  }

  /** @param manifest as it stands there. False when it went away. @throws ClipctlError FORBIDDEN */
  async delete(tag: string, manifest: string, signal: AbortSignal): Promise<boolean> {
    // The digest under which it can be deleted; what the registry says is not needed for it.
    const digest = createHash('sha256').update(manifest).digest('hex');
    const request = { ...aboutTag(tag), path: `manifests/sha256:${digest}`, method: 'DELETE', headers: {} } as const;
    const response = await this.#connection.send({ ...request, accepted: [200, 202, 404, 405], signal });
    await discardBody(response);
    if (response.status === 405) throw deleteRefused(this.url);
    return response.status !== 404;
  }

  async #uploadConfig(signal: AbortSignal): Promise<void> {
    const { digest } = EMPTY_CONFIG;
    const request = { path: `blobs/${digest}`, what: 'the empty config', method: 'HEAD', accepted: [200, 404] } as const;
    const known = await this.#connection.send({ ...request, missing: 'REGISTRY_ERROR', headers: {}, signal });
    await discardBody(known);
    if (known.status === 200) return;
    const send = async (upload: BlobUpload): Promise<{ readonly digest: Digest }> => {
      await upload.append(bodyOfBytes(Buffer.from(EMPTY_CONFIG_TEXT)));
      return { digest };
    };
    await this.upload(send, signal);
  }
}

/** What is encoded on its way is not the blob, and its ranges are not those of the blob. */
function requirePlain(response: HttpResponse): HttpResponse {
  const coding = headerOf(response, 'content-encoding') ?? 'identity';
  if (coding === 'identity') return response;
  response.body.destroy();
  throw new ClipctlError('REGISTRY_ERROR', `${response.url.host}: its answer is encoded, which was not asked for`, {
    details: { host: response.url.host },
    retryable: false,
  });
}

function aboutTag(tag: string): { readonly path: string; readonly what: string; readonly missing: 'REGISTRY_ERROR' } {
  return { path: `manifests/${tag}`, what: `the manifest ${tag}`, missing: 'REGISTRY_ERROR' };
}

function aboutBlob(digest: Digest): { readonly path: string; readonly what: string; readonly missing: 'BLOB_NOT_FOUND' } {
  return { path: `blobs/${digest}`, what: `blob ${digest}`, missing: 'BLOB_NOT_FOUND' };
}

function deleteRefused(url: string): ClipctlError {
  return new ClipctlError('FORBIDDEN', `${url}: the registry does not delete manifests`, {
    details: { url },
    hint: 'Allow it there (for docker-registry: storage.delete.enabled), or delete with the means of the registry.',
  });
}
