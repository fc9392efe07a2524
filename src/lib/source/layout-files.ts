/** The files of an OCI image layout directory: marker, index.json, blobs. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ClipctlError, storageError } from '../errors.ts';
import { contentHashOf, type Digest } from '../oci/digest.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { MAX_MANIFEST_BYTES, parseManifest, type ImageIndex } from '../oci/manifest.ts';
import { OCI_INDEX } from '../oci/media-types.ts';
import { parseStrictJson, tooLarge } from '../oci/strict-json.ts';
import { isMissing, openRegular, readOpened, type OpenedFile } from '../regular-file.ts';

const MAX_MARKER_BYTES = 4096;
const READ = { doing: 'read', elsewhere: 'another image layout' } as const;

/** A file of the layout, proven to be a regular one. */
export type LayoutFile = Pick<OpenedFile, 'handle' | 'sizeBytes'>;

/**
 * Reads index.json of a directory that says it is an image layout.
 * @throws ClipctlError IMAGE_NOT_FOUND (no such directory), LAYOUT_INVALID, MANIFEST_INVALID, STORAGE_DENIED …
 */
export async function readLayoutIndex(directory: string): Promise<ImageIndex> {
  const marker = await readSmallFile(directory, 'oci-layout', MAX_MARKER_BYTES);
  const options = { what: `${directory}/oci-layout`, code: 'LAYOUT_INVALID', maxBytes: MAX_MARKER_BYTES } as const;
  const fields = new FieldReader(parseStrictJson(marker, options), options);
  if (fields.string('imageLayoutVersion') !== '1.0.0') throw fields.error('imageLayoutVersion', 'must be "1.0.0"');
  const bytes = await readSmallFile(directory, 'index.json', MAX_MANIFEST_BYTES);
  const index = parseManifest(bytes, { what: `${directory}/index.json`, mediaType: OCI_INDEX });
  if (index.kind !== 'index') throw new ClipctlError('LAYOUT_INVALID', `${directory}/index.json: it is no image index`);
  return index;
}

/** @throws ClipctlError BLOB_NOT_FOUND, LAYOUT_INVALID when it is no regular file */
export async function openLayoutBlob(directory: string, digest: Digest): Promise<LayoutFile> {
  const file = await openFile(join(directory, 'blobs', 'sha256', contentHashOf(digest)));
  if (file !== undefined) return file;
  throw new ClipctlError('BLOB_NOT_FOUND', `${directory} has no blob ${digest}`, {
    details: { digest },
    hint: 'The image layout is not complete: copy the image again.',
  });
}

/** Reads a file whole; the size is capped before anything is allocated. The handle is closed. */
export async function readWhole({ handle, sizeBytes }: LayoutFile, what: string, maxBytes: number): Promise<Buffer> {
  if (sizeBytes > maxBytes) {
    await handle.close();
    throw tooLarge({ what, maxBytes }, sizeBytes);
  }
  return readOpened({ handle, sizeBytes }).catch((error: unknown) => {
    throw storageError(error, what, READ);
  });
}

async function readSmallFile(directory: string, name: string, maxBytes: number): Promise<Buffer> {
  const path = join(directory, name);
  const file = await openFile(path);
  if (file !== undefined) return readWhole(file, path, maxBytes);
  if (!(await isDirectory(directory))) {
    throw new ClipctlError('IMAGE_NOT_FOUND', `there is no directory ${directory}`, { details: { path: directory } });
  }
  throw new ClipctlError('LAYOUT_INVALID', `${directory} is no OCI image layout: it has no ${name}`, {
    details: { path: directory },
    hint: 'An image layout is a directory with oci-layout, index.json and blobs/.',
  });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    await readdir(path);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw storageError(error, path, READ);
  }
}

/** undefined when there is no such file. */
async function openFile(path: string): Promise<OpenedFile | undefined> {
  let file: OpenedFile | 'other';
  try {
    file = await openRegular(path);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw storageError(error, path, READ);
  }
  if (file !== 'other') return file;
  throw new ClipctlError('LAYOUT_INVALID', `${path} is no regular file`, { details: { path } });
}
