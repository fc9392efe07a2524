/** What `docker save` writes: manifest.json, which names a config and the layer tars of each image. */
import { createHash } from 'node:crypto';
import { sniffCompression, SNIFF_BYTES } from '../../compression/sniff.ts';
import { ClipctlError } from '../../errors.ts';
import { digestOfHash, isDigest, type ContentHash, type Digest } from '../../oci/digest.ts';
import { MAX_CONFIG_BYTES, parseImageConfig } from '../../oci/image-config.ts';
import { FieldReader } from '../../oci/json-fields.ts';
import { MAX_MANIFEST_BYTES } from '../../oci/manifest.ts';
import { DOCKER_MANIFEST } from '../../oci/media-types.ts';
import { parseReference, type Reference } from '../../oci/reference.ts';
import { parseStrictJson } from '../../oci/strict-json.ts';
import { readWhole, type FileStore, type StoredFile } from '../stored-file.ts';
import { assertBytes, digestOf } from '../verified-bytes.ts';

/** One image of the archive. */
interface SavedEntry {
  readonly configPath: string;
  readonly repoTags: readonly string[];
  readonly layerPaths: readonly string[];
}

/** An image of the archive as a registry would have it. */
export interface SavedImage {
  /** A manifest made of what the archive says; the same bytes for the same image. */
  readonly manifest: Buffer;
  readonly config: { readonly digest: Digest; readonly bytes: Buffer };
  /** Where each blob lies in the archive. */
  readonly paths: ReadonlyMap<Digest, string>;
}

const MAX_IMAGES = 10_000;
const MAX_LAYERS = 10_000;
const LAYER_TYPE = 'application/vnd.docker.image.rootfs.diff.tar';
const CONFIG_TYPE = 'application/vnd.docker.container.image.v1+json';

interface ReadOptions {
  /** Which image, where there are several: one of its tags. */
  readonly image: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Reads the image that is meant, without reading its layers.
 * @throws ClipctlError LAYOUT_INVALID, IMAGE_NOT_FOUND, REFERENCE_INVALID, BLOB_NOT_FOUND, CONFIG_BLOB_INVALID, DIGEST_MISMATCH
 */
export async function readSavedImage(store: FileStore, { image, signal }: ReadOptions): Promise<SavedImage> {
  const entry = selectEntry(store.name, await readEntries(store, signal), image);
  const config = await readConfig(store, entry, signal);
  const { diffIds } = parseImageConfig(config.bytes, `config ${config.digest}`);
  if (diffIds.length !== entry.layerPaths.length) {
    const counts = `${entry.layerPaths.length} layers, but its config names ${diffIds.length} diffIDs`;
    throw new ClipctlError('LAYOUT_INVALID', `${store.name}: the image has ${counts}`);
  }
  const paths = new Map<Digest, string>();
  const layers: object[] = [];
  for (const [at, path] of entry.layerPaths.entries()) {
    const layer = await describeLayer(store, { path, diffId: diffIds[at] as Digest, signal });
    paths.set(layer.digest, path);
    layers.push(layer);
  }
  const described = { mediaType: CONFIG_TYPE, size: config.bytes.byteLength, digest: config.digest };
  const manifest = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config: described, layers };
  return { manifest: Buffer.from(JSON.stringify(manifest)), config, paths };
}

async function readEntries(store: FileStore, signal: AbortSignal): Promise<readonly SavedEntry[]> {
  const file = await store.open('manifest.json', signal);
  if (file === undefined) throw await noManifest(store, signal);
  const what = `${store.name}/manifest.json`;
  const options = { what, code: 'LAYOUT_INVALID', maxBytes: MAX_MANIFEST_BYTES } as const;
  const document = parseStrictJson(await readWhole(file, what, MAX_MANIFEST_BYTES), options);
  const root = new FieldReader(new Map([['images', document]]), options);
  return root.children('images').slice(0, MAX_IMAGES).map(readEntry);
}

function readEntry(fields: FieldReader): SavedEntry {
  const layerPaths = fields.strings('Layers');
  if (layerPaths.length > MAX_LAYERS) throw fields.error('Layers', `has more than ${MAX_LAYERS} layers`);
  return { configPath: fields.string('Config'), repoTags: fields.strings('RepoTags'), layerPaths };
}

async function noManifest(store: FileStore, signal: AbortSignal): Promise<ClipctlError> {
  const marker = await store.open('oci-layout', signal);
  await marker?.close();
  return new ClipctlError('LAYOUT_INVALID', `${store.name} is not what docker save writes: it has no manifest.json`, {
    hint:
      marker === undefined ? 'Make one with: docker save -o FILE IMAGE' : `It is an OCI layout: write oci-archive:${store.name}`,
  });
}

function selectEntry(name: string, entries: readonly SavedEntry[], image: string | undefined): SavedEntry {
  const selected = image === undefined ? entries : entriesOf(entries, parseReference(image));
  const [only] = selected;
  const tags = entries.flatMap(({ repoTags }) => repoTags).slice(0, 30);
  const list = tags.length === 0 ? '' : `; there is ${tags.map((tag) => JSON.stringify(tag.slice(0, 200))).join(', ')}`;
  if (only === undefined) throw new ClipctlError('IMAGE_NOT_FOUND', `${name} has no image ${image ?? ''}`.trimEnd() + list);
  if (selected.length === 1) return only;
  throw new ClipctlError('REFERENCE_INVALID', `${name} has several images${list}`, {
    hint: 'Say which one: docker-archive:FILE:REF.',
  });
}

function entriesOf(entries: readonly SavedEntry[], wanted: Reference): readonly SavedEntry[] {
  return entries.filter(({ repoTags }) => repoTags.some((tag) => isSameImage(parseReference(tag), wanted)));
}

function isSameImage(one: Reference, other: Reference): boolean {
  return one.registry === other.registry && one.repository === other.repository && one.tag === other.tag;
}

async function readConfig(store: FileStore, entry: SavedEntry, signal: AbortSignal): Promise<SavedImage['config']> {
  const file = await openMember(store, entry.configPath, signal);
  const bytes = await readWhole(file, `config ${entry.configPath}`, MAX_CONFIG_BYTES);
  const named = digestInPath(entry.configPath);
  if (named !== undefined) assertBytes(bytes, { digest: named }, `config ${entry.configPath}`);
  return { bytes, digest: digestOf(bytes) };
}

async function describeLayer(
  store: FileStore,
  { path, diffId, signal }: { readonly path: string; readonly diffId: Digest; readonly signal: AbortSignal },
): Promise<{ mediaType: string; size: number; digest: Digest }> {
  const file = await openMember(store, path, signal);
  const size = file.sizeBytes;
  const compression = await sniff(file, signal);
  // A plain layer's digest is its diffID: what it really is gets checked when it is read.
  if (compression === 'none') return { mediaType: LAYER_TYPE, size, digest: diffId };
  const digest = digestInPath(path) ?? (await hashMember(await openMember(store, path, signal), signal));
  return { mediaType: `${LAYER_TYPE}.${compression}`, size, digest };
}

async function openMember(store: FileStore, path: string, signal: AbortSignal): Promise<StoredFile> {
  const file = await store.open(path, signal);
  if (file !== undefined) return file;
  throw new ClipctlError('BLOB_NOT_FOUND', `${store.name} has no ${JSON.stringify(path.slice(0, 200))}`, {
    hint: 'The archive is not complete: save the image again.',
  });
}

async function sniff(file: StoredFile, signal: AbortSignal): Promise<ReturnType<typeof sniffCompression>> {
  const headBytes = Math.min(SNIFF_BYTES, file.sizeBytes);
  if (headBytes === 0) {
    await file.close();
    return 'none';
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of file.stream(0, headBytes, signal) as AsyncIterable<Uint8Array>) pieces.push(piece);
  return sniffCompression(Buffer.concat(pieces));
}

async function hashMember(file: StoredFile, signal: AbortSignal): Promise<Digest> {
  const sha = createHash('sha256');
  for await (const piece of file.stream(0, file.sizeBytes, signal) as AsyncIterable<Uint8Array>) sha.update(piece);
  return digestOfHash(sha.digest('hex') as ContentHash);
}

/** `<hex>.json` and `blobs/sha256/<hex>` say what they hold. */
function digestInPath(path: string): Digest | undefined {
  const hex = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(path.slice(-128))?.[1];
  const digest = `sha256:${hex}`;
  return isDigest(digest) ? digest : undefined;
}
