/** An image out of an OCI image layout directory (OCI image specification, image-layout.md). */
import { addAbortSignal, Readable } from 'node:stream';
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { MAX_CONFIG_BYTES } from '../oci/image-config.ts';
import { MAX_MANIFEST_BYTES } from '../oci/manifest.ts';
import { assertUsableLayer } from '../oci/media-types.ts';
import type { ImageSource, OpenBlobOptions, PlatformManifest, ResolvedImage, ResolveOptions } from './image-source.ts';
import { ImageTree } from './image-tree.ts';
import { openLayoutBlob, readLayoutIndex, readWhole } from './layout-files.ts';
import type { LayoutName } from './layout-name.ts';
import { openRoot, platformsOf, resolveImage, type ImageRoot } from './resolve-image.ts';
import { selectInLayout } from './select-in-layout.ts';

export interface LayoutOptions {
  readonly allowForeign: boolean;
}

/** Reads nothing yet: a missing directory is told by the first call. */
export function openLayoutSource(name: LayoutName, options: LayoutOptions): ImageSource {
  return new LayoutSource(name, options);
}

class LayoutSource implements ImageSource {
  readonly kind = 'layout';
  readonly requestCount = 0;
  readonly #name: LayoutName;
  readonly #options: LayoutOptions;
  readonly #tree: ImageTree;

  constructor(name: LayoutName, options: LayoutOptions) {
    this.#name = name;
    this.#options = options;
    this.#tree = new ImageTree(async ({ digest }, kind) => {
      const file = await openLayoutBlob(name.directory, digest);
      return readWhole(file, `${kind} ${digest}`, kind === 'config' ? MAX_CONFIG_BYTES : MAX_MANIFEST_BYTES);
    });
  }

  async resolve({ signal, platform, digest }: ResolveOptions): Promise<ResolvedImage> {
    return resolveImage(this.#tree, await this.#root(signal), { reference: this.#name.text, platform, digest, signal });
  }

  async listPlatforms({ signal }: { signal: AbortSignal }): Promise<readonly PlatformManifest[]> {
    return platformsOf(this.#tree, await this.#root(signal), signal);
  }

  async openBlob(descriptor: Descriptor, { signal, range }: OpenBlobOptions): Promise<Readable> {
    signal.throwIfAborted();
    if ('diffId' in descriptor) assertUsableLayer(descriptor, this.#options);
    const { handle, sizeBytes } = await openLayoutBlob(this.#name.directory, descriptor.digest);
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? sizeBytes, sizeBytes);
    const isRight = sizeBytes === descriptor.sizeBytes;
    if (isRight && start < end) return addAbortSignal(signal, handle.createReadStream({ start, end: end - 1 }));
    await handle.close();
    if (!isRight) throw wrongSize(descriptor, sizeBytes);
    return Readable.from([]);
  }

  async close(): Promise<void> {
    // Every stream owns its file; there is nothing else to close.
  }

  async #root(signal: AbortSignal): Promise<ImageRoot> {
    signal.throwIfAborted();
    const { directory } = this.#name;
    const selected = await selectInLayout(this.#name, await readLayoutIndex(directory));
    const [only] = selected;
    if (selected.length !== 1 || only === undefined) return { choices: await this.#tree.candidates(selected, signal) };
    return openRoot(this.#tree, await this.#tree.document(only, signal), signal);
  }
}

function wrongSize({ digest, sizeBytes }: Descriptor, actualBytes: number): ClipctlError {
  return new ClipctlError(
    'SIZE_MISMATCH',
    `blob ${digest}: the file has ${actualBytes} bytes, its descriptor says ${sizeBytes}`,
    {
      details: { digest, expectedBytes: sizeBytes, actualBytes },
    },
  );
}
