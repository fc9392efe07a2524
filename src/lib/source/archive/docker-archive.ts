/** An image out of what `docker save` writes. Its layers are mostly plain tars: their digest is their diffID. */
import type { Readable } from 'node:stream';
import { ClipctlError } from '../../errors.ts';
import { waitOrAbort } from '../../http/wait-or-abort.ts';
import type { Descriptor } from '../../oci/descriptor.ts';
import { assertUsableLayer, DOCKER_MANIFEST } from '../../oci/media-types.ts';
import type { ImageSource, OpenBlobOptions, PlatformManifest, ResolvedImage, ResolveOptions } from '../image-source.ts';
import { ImageTree } from '../image-tree.ts';
import { openPart } from '../oci-layout.ts';
import { openRoot, platformsOf, resolveImage, type ImageRoot } from '../resolve-image.ts';
import type { FileStore } from '../stored-file.ts';
import { readSavedImage, type SavedImage } from './saved-image.ts';

export interface DockerArchiveOptions {
  readonly store: FileStore;
  /** As the user wrote the whole name. */
  readonly text: string;
  /** Which image of the archive. */
  readonly image: string | undefined;
  readonly allowForeign: boolean;
}

/** Reads nothing yet. */
export function openDockerArchive(options: DockerArchiveOptions): ImageSource {
  return new DockerArchive(options);
}

class DockerArchive implements ImageSource {
  readonly kind = 'archive';
  readonly requestCount = 0;
  readonly #options: DockerArchiveOptions;
  readonly #closing = new AbortController();
  readonly #tree: ImageTree;
  #saved: Promise<SavedImage> | undefined;

  constructor(options: DockerArchiveOptions) {
    this.#options = options;
    this.#tree = new ImageTree(async ({ digest }) => {
      const { config } = await this.#image();
      if (config.digest === digest) return config.bytes;
      throw new ClipctlError('IMAGE_NOT_FOUND', `${options.text} has no ${digest}`, { details: { digest } });
    });
  }

  async resolve({ signal, platform, digest }: ResolveOptions): Promise<ResolvedImage> {
    return resolveImage(this.#tree, await this.#root(signal), { reference: this.#options.text, platform, digest, signal });
  }

  async listPlatforms({ signal }: { signal: AbortSignal }): Promise<readonly PlatformManifest[]> {
    return platformsOf(this.#tree, await this.#root(signal), signal);
  }

  async openBlob(descriptor: Descriptor, { signal, range }: OpenBlobOptions): Promise<Readable> {
    signal.throwIfAborted();
    if ('diffId' in descriptor) assertUsableLayer(descriptor, this.#options);
    const { paths } = await waitOrAbort(this.#image(), signal);
    const path = paths.get(descriptor.digest);
    const file = path === undefined ? undefined : await this.#options.store.open(path, signal);
    if (file !== undefined) return openPart(file, descriptor, { signal, range });
    throw new ClipctlError('BLOB_NOT_FOUND', `${this.#options.store.name} has no blob ${descriptor.digest}`, {
      details: { digest: descriptor.digest },
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new ClipctlError('ABORTED', 'the source was closed'));
    await this.#options.store.close();
  }

  #image(): Promise<SavedImage> {
    const { store, image } = this.#options;
    this.#saved ??= readSavedImage(store, { image, signal: this.#closing.signal });
    return this.#saved;
  }

  async #root(signal: AbortSignal): Promise<ImageRoot> {
    const { manifest } = await waitOrAbort(this.#image(), signal);
    return openRoot(this.#tree, this.#tree.add(manifest, DOCKER_MANIFEST), signal);
  }
}
