/** The files of an OCI image layout: marker, index.json, blobs (OCI image specification, image-layout.md). */
import { ClipctlError } from '../errors.ts';
import { contentHashOf, type Digest } from '../oci/digest.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type ImageIndex } from '../oci/manifest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import { parseStrictJson } from '../oci/strict-json.ts';
import { readWhole, type FileStore, type StoredFile } from './stored-file.ts';

const MAX_MARKER_BYTES = 4096;

/**
 * Reads index.json of a store that says it is an image layout.
 * @throws ClipctlError IMAGE_NOT_FOUND (no such store), LAYOUT_INVALID, MANIFEST_INVALID, STORAGE_DENIED …
 */
export async function readLayoutIndex(store: FileStore, signal: AbortSignal): Promise<ImageIndex> {
  const marker = await readSmallFile(store, 'oci-layout', { maxBytes: MAX_MARKER_BYTES, signal });
  const options = { what: `${store.name}/oci-layout`, code: 'LAYOUT_INVALID', maxBytes: MAX_MARKER_BYTES } as const;
  const fields = new FieldReader(parseStrictJson(marker, options), options);
  if (fields.string('imageLayoutVersion') !== '1.0.0') throw fields.error('imageLayoutVersion', 'must be "1.0.0"');
  const bytes = await readSmallFile(store, 'index.json', { maxBytes: MAX_MANIFEST_BYTES, signal });
  const index = parseManifest(bytes, { what: `${store.name}/index.json`, mediaType: OCI_INDEX });
  if (index.kind !== 'index') throw new ClipctlError('LAYOUT_INVALID', `${store.name}/index.json: it is no image index`);
  return index;
}

/** @throws ClipctlError BLOB_NOT_FOUND, LAYOUT_INVALID when it is no regular file */
export async function openLayoutBlob(store: FileStore, digest: Digest, signal: AbortSignal): Promise<StoredFile> {
  const file = await store.open(`blobs/sha256/${contentHashOf(digest)}`, signal);
  if (file !== undefined) return file;
  throw new ClipctlError('BLOB_NOT_FOUND', `${store.name} has no blob ${digest}`, {
    details: { digest },
    hint: 'The image layout is not complete: copy the image again.',
  });
}

async function readSmallFile(
  store: FileStore,
  name: string,
  { maxBytes, signal }: { maxBytes: number; signal: AbortSignal },
): Promise<Buffer> {
  const file = await store.open(name, signal);
  if (file !== undefined) return readWhole(file, `${store.name}/${name}`, maxBytes);
  throw new ClipctlError('LAYOUT_INVALID', `${store.name} is no OCI image layout: it has no ${name}`, {
    details: { path: store.name },
    hint: `An image layout is a ${store.what} with oci-layout, index.json and blobs/.`,
  });
}
