/** An image out of an OCI image layout: a directory, or the same as an archive (OCI image specification, image-layout.md). */
import { Readable } from 'node:stream';
import type { Descriptor } from '../oci/descriptor.ts';
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts';
import { assertUsableLayer } from '../oci/media-types.ts';
import type {
  ImageSource,
  OpenBlobOptions,
  OtherManifest,
  PlatformManifest,
  ResolvedImage,
  ResolveOptions,
} from './image-source.ts';
import { ImageTree } from './image-tree.ts';
import { openLayoutBlob, readLayoutIndex } from './layout-files.ts';
import type { LayoutName } from './layout-name.ts';
import { openRoot, platformsOf, resolveImage, type ImageRoot } from './resolve-image.ts';
import { selectInLayout } from './select-in-layout.ts';
import { readWhole, type FileStore, type StoredFile } from './stored-file.ts';
import { wrongSize } from './verified-bytes.ts';

export interface LayoutOptions {
  readonly kind: 'layout' | 'archive';
  readonly store: FileStore;
  readonly allowForeign: boolean;
}

/** Reads nothing yet: a missing directory is told by the first call. */
export function openLayoutSource(name: LayoutName, options: LayoutOptions): ImageSource {
  return new LayoutSource(name, options);
}

class LayoutSource implements ImageSource {
  readonly kind: 'layout' | 'archive';
  readonly requestCount = 0;
  readonly #name: LayoutName;
  readonly #options: LayoutOptions;
  readonly #store: FileStore;
  readonly #tree: ImageTree;

  constructor(name: LayoutName, options: LayoutOptions) {
    this.kind = options.kind;
    this.#name = name;
    this.#options = options;
    this.#store = options.store;
    this.#tree = new ImageTree(async ({ digest }, kind, signal) => {
      const file = await openLayoutBlob(this.#store, digest, signal);
      return readWhole(file, `${kind} ${digest}`, kind === 'config' ? MAX_CONFIG_BYTES : MAX_MANIFEST_BYTES);
    });
  }

  async resolve({ signal, platform, digest }: ResolveOptions): Promise<ResolvedImage> {
    return resolveImage(this.#tree, await this.#root(signal), { reference: this.#name.text, platform, digest, signal });
  }

  async listPlatforms({ signal }: { signal: AbortSignal }): Promise<readonly PlatformManifest[]> {
    return platformsOf(this.#tree, await this.#root(signal), signal);
  }

  async listOthers({ signal }: { signal: AbortSignal }): Promise<readonly OtherManifest[]> {
    await this.#root(signal);
    return this.#tree.others;
  }

  async openBlob(descriptor: Descriptor, { signal, range }: OpenBlobOptions): Promise<Readable> {
    signal.throwIfAborted();
    if ('diffId' in descriptor) assertUsableLayer(descriptor, this.#options);
    return openPart(await openLayoutBlob(this.#store, descriptor.digest, signal), descriptor, { signal, range });
  }

  async close(): Promise<void> {
    await this.#store.close();
  }

  async #root(signal: AbortSignal): Promise<ImageRoot> {
    signal.throwIfAborted();
    const index = await readLayoutIndex(this.#store, signal);
    const selected = await selectInLayout(this.#name, index, { store: this.#store, signal });
    const [only] = selected;
    if (selected.length !== 1 || only === undefined) return { choices: await this.#tree.candidates(selected, signal) };
    return openRoot(this.#tree, await this.#tree.document(only, signal), signal);
  }
}

/** The bytes of a blob, or a range of them; the file must be as large as its descriptor says. @throws ClipctlError SIZE_MISMATCH */
export async function openPart(
  file: StoredFile,
  descriptor: Descriptor,
  { signal, range }: { readonly signal: AbortSignal; readonly range: OpenBlobOptions['range'] | undefined },
): Promise<Readable> {
  const start = range?.start ?? 0;
  const end = Math.min(range?.end ?? file.sizeBytes, file.sizeBytes);
  const isRight = file.sizeBytes === descriptor.sizeBytes;
  if (isRight && start < end) return file.stream(start, end, signal);
  await file.close();
  if (!isRight) throw wrongSize(descriptor, file.sizeBytes);
  return Readable.from([]);
}
