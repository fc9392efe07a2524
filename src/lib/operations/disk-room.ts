/** What a run that warms images says to the disk cache: which layers it needs, how much will come, what they were for. */
import { errorCodeOf } from '../errors.ts';
import { contentHashOf } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { durableName } from './durable-name.ts';
import { distinctLayers, platformOf } from './image-layers.ts';
import type { OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';

/** A layer that a run keeps on disk. */
export interface WantedLayer {
  readonly layer: LayerDescriptor;
  /** Decompressed, where an index says it. */
  readonly uncompressedBytes?: number | undefined;
}

/** The layers of opened images, each once. */
export function wantedOf(images: readonly OpenedImage[]): WantedLayer[] {
  return distinctLayers(images).map(({ layer, image }) => ({
    layer,
    uncompressedBytes: image.mapOf(layer.digest)?.uncompressedBytes,
  }));
}

/**
 * Takes leases on all these layers, and makes room for those that are missing before the first byte is fetched.
 * @throws ClipctlError STORAGE_FULL when they can't fit whatever is evicted
 */
export async function claimRoom(session: Session, wanted: readonly WantedLayer[]): Promise<void> {
  const { disk, signal } = session;
  await disk.holdLayers(wanted.map(({ layer }) => contentHashOf(layer.diffId)));
  const requiredBytes = await missingBytes(session, wanted);
  if (requiredBytes === 0) return;
  try {
    await disk.room.make({ requiredBytes, signal });
  } catch (error) {
    // What another process has brought meanwhile takes its space already, and is not missing any more.
    if (errorCodeOf(error) !== 'STORAGE_FULL' || (await missingBytes(session, wanted)) >= requiredBytes) throw error;
    await claimRoom(session, wanted);
  }
}

async function missingBytes({ disk, options }: Session, wanted: readonly WantedLayer[]): Promise<number> {
  const sizes = await runLimited(wanted, options.jobs * 4, async ({ layer, uncompressedBytes }) => {
    const state = await disk.checkLayer(contentHashOf(layer.diffId));
    if (state === 'verified' || state === 'unverified') return 0;
    // Nobody knows better than an index; compressed it is no larger than decompressed, give or take a header.
    return uncompressedBytes ?? layer.sizeBytes;
  });
  return sizes.reduce((sum, size) => sum + (size.status === 'fulfilled' ? size.value : 0), 0);
}

/** Notes in the disk cache which images its layers are for. Those of which only a part was asked for are not noted. */
export async function rememberImages(session: Session, images: readonly OpenedImage[]): Promise<void> {
  for (const image of images) {
    const layers = image.layers.map(({ digest, diffId }) => ({ digest, diffId }));
    await session.disk.rememberImage({ image: durableName(image.name), platform: platformOf(image), layers });
  }
}
