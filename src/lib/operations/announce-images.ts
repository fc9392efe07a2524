import type { Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { Session } from './open-session.ts';

export interface AnnouncedImage {
  readonly name: string;
  readonly platform: string;
  readonly layers: readonly LayerDescriptor[];
}

/** Tells progress what lies ahead. A layer that several images share counts for the first: it moves once. */
export function announceImages(session: Session, images: readonly AnnouncedImage[]): void {
  const seen = new Set<Digest>();
  for (const { name, platform, layers } of images) {
    const fresh = layers.filter(({ digest }) => !seen.has(digest) && seen.add(digest));
    const totalBytes = fresh.reduce((sum, layer) => sum + layer.sizeBytes, 0);
    session.onProgress({ type: 'image', image: name, platform, layers: fresh.length, totalBytes });
  }
}
