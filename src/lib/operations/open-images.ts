import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { requireLayers, selectLayers } from './image-layers.ts';
import { openImage, type OpenedImage } from './open-image.ts';
import type { Session } from './open-session.ts';

export interface OpenImagesRequest {
  readonly images: readonly string[];
  readonly platform?: Platform;
  /** Only these layers (digest or diffID); empty or absent = all. */
  readonly layers?: readonly Digest[];
}

export interface OpenedImages {
  readonly images: readonly OpenedImage[];
  /** Why others could not be opened. */
  readonly failures: readonly unknown[];
}

/** Opens what can be opened. @throws ClipctlError LAYER_NOT_FOUND when all could, and none has a layer that was named */
export async function openImages(
  session: Session,
  { images: names, platform, layers = [] }: OpenImagesRequest,
): Promise<OpenedImages> {
  const options = platform === undefined ? {} : { platform };
  const opened = await runLimited(names, session.options.jobs, (name) => openImage(session, name, options));
  const images = opened.flatMap((result) => (result.status === 'fulfilled' ? [selectLayers(result.value, layers)] : []));
  const failures = opened.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length === 0) requireLayers(images, layers);
  return { images, failures };
}
