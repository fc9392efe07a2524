/** Which documents of an image layout a name means. */
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Digest } from '../oci/digest.ts';
import type { ImageIndex } from '../oci/manifest.ts';
import { isIndexType, isManifestType } from '../oci/media-types.ts';
import { openLayoutBlob } from './layout-files.ts';
import type { LayoutName } from './layout-name.ts';
import type { FileStore } from './stored-file.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/**
 * One descriptor, or several that are platforms of one image.
 * @throws ClipctlError IMAGE_NOT_FOUND with the tags there are, REFERENCE_INVALID when a tag is needed
 */
export async function selectInLayout(
  name: LayoutName,
  index: ImageIndex,
  place: { readonly store: FileStore; readonly signal: AbortSignal },
): Promise<readonly Descriptor[]> {
  if (name.digest !== undefined) return [await selectByDigest(name.digest, index, place)];
  const images = withoutRepeats(index.manifests.filter(({ mediaType }) => isIndexType(mediaType) || isManifestType(mediaType)));
  const selected = name.tag === undefined ? images : images.filter((descriptor) => tagOf(descriptor) === name.tag);
  if (selected.length === 0) throw notFound(name, images);
  if (selected.length > 1 && !arePlatformsOfOne(selected)) throw needsTag(name, images);
  return selected;
}

/** A digest may name any document of the layout, also one that only a nested index lists: its size is then the file's. */
async function selectByDigest(
  digest: Digest,
  index: ImageIndex,
  { store, signal }: { readonly store: FileStore; readonly signal: AbortSignal },
): Promise<Descriptor> {
  const listed = index.manifests.find((descriptor) => descriptor.digest === digest);
  if (listed !== undefined) return listed;
  const file = await openLayoutBlob(store, digest, signal).catch((error: unknown) => {
    if (error instanceof ClipctlError && error.code === 'BLOB_NOT_FOUND') {
      throw new ClipctlError('IMAGE_NOT_FOUND', `${store.name} has no image ${digest}`, { cause: error, details: { digest } });
    }
    throw error;
  });
  await file.close();
  return { mediaType: '', digest, sizeBytes: file.sizeBytes, annotations: new Map(), urls: [] };
}

function tagOf({ annotations }: Descriptor): string | undefined {
  return annotations.get(REF_NAME);
}

/** The same document may be listed once for each of its tags. */
function withoutRepeats(descriptors: readonly Descriptor[]): readonly Descriptor[] {
  const byKey = new Map(descriptors.map((descriptor) => [JSON.stringify([descriptor.digest, tagOf(descriptor)]), descriptor]));
  return [...byKey.values()];
}

function arePlatformsOfOne(descriptors: readonly Descriptor[]): boolean {
  const tags = new Set(descriptors.map(tagOf));
  return tags.size === 1 && descriptors.every(({ platform }) => platform !== undefined);
}

function notFound({ tag, directory }: LayoutName, images: readonly Descriptor[]): ClipctlError {
  const wanted = tag === undefined ? 'no image' : `no image ${JSON.stringify(tag.slice(0, 200))}`;
  return new ClipctlError('IMAGE_NOT_FOUND', `${directory} has ${wanted}${describeTags(images)}`, {
    details: { path: directory },
  });
}

function needsTag({ directory }: LayoutName, images: readonly Descriptor[]): ClipctlError {
  return new ClipctlError('REFERENCE_INVALID', `${directory} has several images${describeTags(images)}`, {
    details: { path: directory },
    hint: 'Say which one: oci:DIR:TAG or oci:DIR@DIGEST; an archive takes the same.',
  });
}

function describeTags(images: readonly Descriptor[]): string {
  const names = images.slice(0, 30).map((image) => JSON.stringify(tagOf(image)?.slice(0, 128) ?? image.digest));
  return names.length === 0 ? '' : `; there is ${[...new Set(names)].join(', ')}`;
}
