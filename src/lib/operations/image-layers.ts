/** What operations ask of opened images: which layers, each once, and what to call them. */
import { ClipctlError } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import { formatPlatform } from '../oci/platform.ts';
import type { AnnouncedImage } from './announce-images.ts';
import type { OpenedImage } from './open-image.ts';

/** A layer, and the first image that asked for it. */
export interface LayerOfImage {
  readonly layer: LayerDescriptor;
  readonly image: OpenedImage;
}

/** Each decompressed layer once, whoever asked: images share layers. */
export function distinctLayers(images: readonly OpenedImage[]): LayerOfImage[] {
  const tasks = new Map<DiffId, LayerOfImage>();
  for (const image of images)
    for (const layer of image.layers) if (!tasks.has(layer.diffId)) tasks.set(layer.diffId, { layer, image });
  return [...tasks.values()];
}

/** The image with only these layers (digest or diffID); all when none are named. */
export function selectLayers(image: OpenedImage, only: readonly Digest[]): OpenedImage {
  if (only.length === 0) return image;
  return { ...image, layers: image.layers.filter((layer) => only.includes(layer.digest) || only.includes(layer.diffId)) };
}

/** @throws ClipctlError LAYER_NOT_FOUND when no image has one of the layers */
export function requireLayers(images: readonly OpenedImage[], only: readonly Digest[]): void {
  const missing = only.find(
    (digest) => !images.some((image) => image.layers.some((layer) => layer.digest === digest || layer.diffId === digest)),
  );
  if (missing === undefined) return;
  throw new ClipctlError('LAYER_NOT_FOUND', `no layer ${missing} in ${images.map((image) => image.name).join(', ')}`, {
    hint: 'clipctl inspect IMAGE lists the digests and diffIDs of its layers.',
  });
}

/** What progress is told of an opened image. */
export function announced(image: OpenedImage): AnnouncedImage {
  return { name: image.name, platform: platformOf(image), layers: image.layers };
}

/** Of the manifest that a name stood for, or that an index was made of; undefined where an index does not say it. */
export function manifestDigestOf(image: OpenedImage): Digest | undefined {
  const digest = image.resolved?.manifestDigest ?? image.clip?.file.storageInfo.imageMetadata.digest;
  return digest === undefined || digest === '' ? undefined : (digest as Digest);
}

/** `os/architecture[/variant]` of an opened image. */
export function platformOf(image: OpenedImage): string {
  if (image.resolved !== undefined) return formatPlatform(image.resolved.platform);
  const metadata = image.clip?.file.storageInfo.imageMetadata;
  if (metadata === undefined || metadata.os === '') return 'unknown';
  return formatPlatform({
    os: metadata.os,
    architecture: metadata.architecture,
    ...(metadata.variant === '' ? {} : { variant: metadata.variant }),
  });
}
