import type { Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { Session } from './open-session.ts';

export interface AnnouncedImage {
  readonly name: string;
  readonly platform: string;
  readonly layers: readonly LayerDescriptor[];
}

/** Tells progress what lies ahead. What several images share, by `keyOf`, counts for the first: it moves once. */
export function announceImages(
  session: Session,
  images: readonly AnnouncedImage[],
  keyOf: (layer: LayerDescriptor) => Digest,
): void {
  const seen = new Set<Digest>();
  for (const { name, platform, layers } of images) {
    const fresh = layers.filter((layer) => !seen.has(keyOf(layer)) && seen.add(keyOf(layer)));
    const sizes = fresh.map(({ digest, sizeBytes }) => ({ layer: digest, totalBytes: sizeBytes }));
    const totalBytes = sizes.reduce((sum, size) => sum + size.totalBytes, 0);
    session.onProgress({ type: 'image', image: name, platform, layers: fresh.length, totalBytes, sizes });
  }
}
