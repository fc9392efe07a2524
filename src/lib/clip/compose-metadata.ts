import { parseImageTime } from '../layer-index/image-time.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageConfig } from '../oci/image-config.ts';
import type { ClipImageMetadata, ClipTime } from './clip-file.ts';

/** Where readers of a `.clip` fetch layers from. */
export interface ClipOrigin {
  /** `host[:port]` */
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
}

/** The image that a `.clip` is composed for; a ResolvedImage is one. */
export interface ClipImage {
  /** Absent for a layout or an archive: no local path enters a `.clip`. */
  readonly origin?: ClipOrigin;
  readonly manifestDigest: Digest;
  readonly config: ImageConfig;
  /** Bottom layer first. */
  readonly layers: readonly LayerDescriptor[];
}

/** CLIP's ImageMetadata: the config, and the layers as the manifest lists them. */
export function composeMetadata(image: ClipImage, origin: ClipOrigin | undefined): ClipImageMetadata {
  const { config, manifestDigest, layers } = image;
  const created = clipTimeOf(config.created);
  return {
    name: origin === undefined ? '' : nameOf(origin, manifestDigest),
    digest: manifestDigest,
    repoTags: [],
    ...(created && { created }),
    dockerVersion: config.dockerVersion ?? '',
    labels: config.labels,
    architecture: config.architecture,
    os: config.os,
    variant: config.variant ?? '',
    author: config.author ?? '',
    env: config.env,
    cmd: config.cmd,
    entrypoint: config.entrypoint,
    user: config.user,
    workingDir: config.workingDir,
    exposedPorts: config.exposedPorts,
    volumes: config.volumes,
    stopSignal: config.stopSignal,
    layers: layers.map(({ digest }) => digest),
    layersData: layers.map(({ mediaType, digest, sizeBytes, annotations }) => ({ mediaType, digest, sizeBytes, annotations })),
  };
}

function nameOf({ registry, repository, tag }: ClipOrigin, manifestDigest: Digest): string {
  return `${registry}/${repository}${tag === undefined ? `@${manifestDigest}` : `:${tag}`}`;
}

/** Go's marker for UTC; an explicit `+00:00` is offset 0. */
const UTC_ZONE = -1;

function clipTimeOf(created: string | undefined): ClipTime | undefined {
  const time = parseImageTime(created);
  if (time === undefined) return undefined;
  return { seconds: BigInt(time.seconds), nanoseconds: time.nanoseconds, zoneMinutes: time.zoneMinutes ?? UTC_ZONE };
}
