/** From a name to an image pinned to its layers: a registry reference, a layout, or a `.clip` that remembers both. */
import { decodeClip } from '../clip/decode-clip.ts';
import type { ClipFile, ExtensionLayer } from '../clip/clip-file.ts';
import type { ClipProblem } from '../clip/clip-problem.ts';
import { describeProblem, validateClip } from '../clip/validate-clip.ts';
import { ClipctlError, storageError } from '../errors.ts';
import { digestOfHash, parseContentHash, parseDigest, type Digest } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import type { LayerMap } from '../pipeline/span-plan.ts';
import { isMissing, openRegular, readOpened } from '../regular-file.ts';
import type { ImageSource, ResolvedImage } from '../source/image-source.ts';
import type { Session } from './open-session.ts';

/** A `.clip` larger than this is taken for an attack: 2 GiB of index would be some 20 million paths. */
const MAX_CLIP_BYTES = 1024 * 1024 * 1024;

export interface OpenedImage {
  /** As the user named it. */
  readonly name: string;
  readonly layers: readonly LayerDescriptor[];
  /** Where layers can be had; throws when an index names no registry, or offline. */
  readonly source: () => ImageSource;
  /** What a person should know of it. */
  readonly warnings: readonly string[];
  /** How to cut a layer into runs; only an index of ours knows. */
  readonly mapOf: (digest: Digest) => LayerMap | undefined;
  /** Set when the name was an image. */
  readonly resolved?: ResolvedImage;
  /** Set when the name was a `.clip`. */
  readonly clip?: { readonly file: ClipFile; readonly indexBytes: number };
}

export interface OpenImageOptions {
  readonly platform?: Platform;
}

/** True for `FILE.clip` (CLI.md, naming an image). */
export function isClipName(name: string): boolean {
  return name.endsWith('.clip') && !/^(?:docker:\/\/|oci:|oci-archive:|docker-archive:)/.test(name);
}

/** @throws ClipctlError what the source or the index has to say */
export async function openImage(session: Session, name: string, options: OpenImageOptions = {}): Promise<OpenedImage> {
  if (isClipName(name)) return openClipImage(session, name, options);
  const source = openOnlineSource(session, name);
  const resolved = await source.resolve({
    signal: session.signal,
    ...(options.platform === undefined ? {} : { platform: options.platform }),
  });
  return openedOf(name, source, resolved);
}

/** An image that its source has pinned. */
export function openedOf(name: string, source: ImageSource, resolved: ResolvedImage): OpenedImage {
  const { layers, warnings } = resolved;
  return { name, layers, source: () => source, warnings, mapOf: () => undefined, resolved };
}

/** The source of a name. @throws ClipctlError OFFLINE_MISS for a registry under --offline */
export function openOnlineSource(session: Session, name: string): ImageSource {
  const source = session.openSource(name);
  if (source.kind === 'registry' && session.options.offline) {
    throw new ClipctlError('OFFLINE_MISS', `${name} is in a registry, and --offline is set`, {
      hint: 'Name an OCI layout (oci:DIR) or a FILE.clip whose layers are warm, or drop --offline.',
    });
  }
  return source;
}

async function openClipImage(session: Session, name: string, { platform }: OpenImageOptions): Promise<OpenedImage> {
  const bytes = await readClip(name);
  const file = decodeClip(bytes);
  if (platform !== undefined) requirePlatform(name, file, platform);
  const warnings = clipWarnings(name, file);
  const source = (): ImageSource => sourceOfClip(session, name, file);
  const clip = { file, indexBytes: bytes.length };
  return { name, layers: layersOfClip(file, name), source, warnings, mapOf: (digest) => layerMapOf(file, digest), clip };
}

/** An index is of one platform: asking it for another is asking for what it does not have. */
function requirePlatform(name: string, { storageInfo }: ClipFile, platform: Platform): void {
  const { os, architecture, variant } = storageInfo.imageMetadata;
  const found = formatPlatform({ os, architecture, ...(variant === '' ? {} : { variant }) });
  if (os === '' || found === formatPlatform(platform)) return;
  throw new ClipctlError('PLATFORM_NOT_FOUND', `${name} is of ${found}, not of ${formatPlatform(platform)}`);
}

/** What Go CLIP makes of ordinary images: paths below a symlink or a file, hard links to symlinks (FORMATS §1 point 6). */
const NORMAL_FOR_GO_CLIP: ReadonlySet<ClipProblem['code']> = new Set([
  'PARENT_NOT_DIRECTORY',
  'CONTENT_MISSING',
  'PROBLEMS_OMITTED',
]);

/** True for a problem that an index of Go CLIP has by its nature. */
export function isNormalFor({ extension }: ClipFile, { code }: ClipProblem): boolean {
  return extension === undefined && NORMAL_FOR_GO_CLIP.has(code);
}

/** What is odd about an index. @throws ClipctlError CLIP_INVALID when reads by it would be wrong */
function clipWarnings(name: string, file: ClipFile): string[] {
  const problems = validateClip(file);
  const fatal = problems.find((problem) => problem.severity === 'error' && !isNormalFor(file, problem));
  if (fatal !== undefined)
    throw new ClipctlError('CLIP_INVALID', `${name}: ${describeProblem(fatal)}`, { details: { problem: fatal.code } });
  return problems.map((problem) => `${name}: ${describeProblem(problem)}`);
}

/** The bytes of an index. @throws ClipctlError FILE_NOT_FOUND, CLIP_INVALID when it is no file or too large, STORAGE_* */
export async function readClip(path: string): Promise<Uint8Array> {
  try {
    const file = await openRegular(path);
    if (file === 'other') throw new ClipctlError('CLIP_INVALID', `${path} is not a regular file`, { details: { path } });
    if (file.sizeBytes <= MAX_CLIP_BYTES) return await readOpened(file);
    await file.handle.close();
    throw new ClipctlError('CLIP_INVALID', `${path}: ${file.sizeBytes} bytes is too large for an index`);
  } catch (error) {
    if (isMissing(error)) {
      throw new ClipctlError('FILE_NOT_FOUND', `no such index: ${path}`, { hint: 'Make one with: clipctl index IMAGE' });
    }
    throw storageError(error, path, { doing: 'read', elsewhere: 'another index' });
  }
}

function layerMapOf({ extension, storageInfo }: ClipFile, digest: Digest): LayerMap | undefined {
  const layer = extension?.layers.find((found) => found.digest === digest);
  return layer === undefined ? undefined : { ...layer, zstdFrames: storageInfo.zstdIndexByLayer.get(digest) ?? [] };
}

/** The layers an index names, held to the same checks as a manifest's. */
export function layersOfClip(file: ClipFile, name: string): LayerDescriptor[] {
  const { storageInfo } = file;
  const extension = new Map<string, ExtensionLayer>(file.extension?.layers.map((layer) => [layer.digest, layer]));
  const data = new Map(storageInfo.imageMetadata.layersData.map((layer) => [layer.digest, layer]));
  return storageInfo.layers.map((digest) => {
    const hash = storageInfo.decompressedHashByLayer.get(digest);
    if (hash === undefined) throw new ClipctlError('CLIP_INVALID', `${name}: no decompressed hash for layer ${digest}`);
    return {
      digest: parseDigest(digest, name),
      diffId: digestOfHash(parseContentHash(hash, name)),
      mediaType: extension.get(digest)?.mediaType ?? data.get(digest)?.mediaType ?? 'application/octet-stream',
      sizeBytes: extension.get(digest)?.compressedBytes ?? data.get(digest)?.sizeBytes ?? 0,
      annotations: data.get(digest)?.annotations ?? new Map<string, string>(),
      urls: [],
    };
  });
}

function sourceOfClip(session: Session, name: string, file: ClipFile): ImageSource {
  const { registryUrl, repository, reference } = file.storageInfo;
  if (registryUrl === '' || repository === '') {
    throw new ClipctlError('BLOB_NOT_FOUND', `${name} names no registry that its layers could be fetched from`, {
      hint: 'Warm the image itself (oci:DIR …), or make the index with --storage-ref REF.',
    });
  }
  if (layersOfClip(file, name).some(({ sizeBytes }) => sizeBytes === 0)) {
    throw new ClipctlError('CLIP_INVALID', `${name} does not say how large its layers are`, {
      hint: `Warm the image itself: ${registryUrl}/${repository}@${reference}`,
    });
  }
  return openOnlineSource(session, `docker://${registryUrl}/${repository}@${reference}`);
}
