/** What `index` decides before it reads a layer: which manifests, which files, whether all of that can work. */
import { ClipctlError } from '../errors.ts';
import type { DiffId, Digest } from '../oci/digest.ts';
import type { ImageSource, ResolvedImage } from '../source/image-source.ts';
import { everyPlatform } from './every-platform.ts';
import { outputPaths } from './index-output.ts';
import type { IndexRequest } from './index-request.ts';
import { isClipName, openOnlineSource } from './open-image.ts';
import type { Session } from './open-session.ts';
import { parseStorageRef, type StorageRef } from './storage-ref.ts';
import { requireWritablePlace } from './write-file.ts';

export interface IndexTargets {
  readonly source: ImageSource;
  readonly targets: readonly { readonly image: ResolvedImage; readonly output: string }[];
  readonly storageRef: StorageRef | undefined;
}

/** @throws ClipctlError USAGE, REFERENCE_INVALID, of the source, STORAGE_* */
export async function prepareTargets(session: Session, request: IndexRequest): Promise<IndexTargets> {
  if (isClipName(request.image)) throw new ClipctlError('USAGE', `${request.image} is an index already; name an image`);
  const storageRef = request.storageRef === undefined ? undefined : parseStorageRef(request.storageRef);
  const source = openOnlineSource(session, request.image);
  const images = await resolvePlatforms(session, source, request);
  if (storageRef !== undefined) requireSameManifest(storageRef, images);
  requireOneContent(images);
  const paths = outputPaths(request, images);
  for (const path of paths) await requireWritablePlace(path);
  return { source, storageRef, targets: images.map((image, at) => ({ image, output: paths[at] ?? '' })) };
}

/** One image for each platform asked for, each manifest once. */
async function resolvePlatforms(session: Session, source: ImageSource, request: IndexRequest): Promise<ResolvedImage[]> {
  const { signal } = session;
  const images: ResolvedImage[] = [];
  if (request.allPlatforms) {
    for (const { digest } of await everyPlatform(source, signal)) images.push(await source.resolve({ signal, digest }));
  } else if (request.platforms.length === 0) images.push(await source.resolve({ signal }));
  else for (const platform of request.platforms) images.push(await source.resolve({ signal, platform }));
  return [...new Map(images.map((image) => [image.manifestDigest, image])).values()];
}

/** A layer is read once for all platforms, so all must promise the same of it. */
function requireOneContent(images: readonly ResolvedImage[]): void {
  const promised = new Map<Digest, DiffId>();
  for (const { manifestDigest, layers } of images) {
    for (const { digest, diffId } of layers) {
      const before = promised.get(digest) ?? diffId;
      promised.set(digest, before);
      if (before === diffId) continue;
      const message = `manifest ${manifestDigest} promises diffID ${diffId} of layer ${digest}, another platform ${before}`;
      throw new ClipctlError('MANIFEST_INVALID', message, { details: { digest: manifestDigest, layer: digest } });
    }
  }
}

/** A digest in --storage-ref says what a reader will get: it can't be another image than the index is made of. */
function requireSameManifest({ digest }: StorageRef, images: readonly ResolvedImage[]): void {
  const other = digest === undefined ? undefined : images.find((image) => image.manifestDigest !== digest);
  if (other === undefined) return;
  throw new ClipctlError('USAGE', `--storage-ref names manifest ${digest}, but the image is ${other.manifestDigest}`, {
    hint: 'Leave the digest out: the index names the manifest that it was made of.',
  });
}
