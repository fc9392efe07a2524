/** Pins a root document to one image of one platform. */
import { ClipctlError } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import { choosePlatform, formatPlatform, hostPlatform, normalizePlatform, type Platform } from '../oci/platform.ts';
import type { PlatformManifest, ResolvedImage } from './image-source.ts';
import {
  pairLayers,
  platformOfConfig,
  type Candidate,
  type ImageTree,
  type ManifestDocument,
  type RootDocument,
} from './image-tree.ts';

export interface ResolveRequest {
  /** As the user named it. */
  readonly reference: string;
  readonly origin?: ResolvedImage['origin'];
  readonly platform: Platform | undefined;
  readonly digest: Digest | undefined;
  readonly signal: AbortSignal;
}

/** A single manifest, or the candidates of an image index. */
export type ImageRoot = { readonly single: ManifestDocument } | { readonly choices: readonly Candidate[] };

/** Looks at a root document: one image, or a choice. */
export async function openRoot(tree: ImageTree, root: RootDocument, signal: AbortSignal): Promise<ImageRoot> {
  const { digest, sizeBytes, content } = root;
  if (content.kind === 'manifest') return { single: { digest, sizeBytes, content } };
  return { choices: await tree.candidates(content.manifests, signal) };
}

/**
 * Reads manifest and config of the chosen platform.
 * @throws ClipctlError PLATFORM_NOT_FOUND with what there is, IMAGE_NOT_FOUND for a digest that is not there, and all that reading and checking raises
 */
export async function resolveImage(tree: ImageTree, root: ImageRoot, request: ResolveRequest): Promise<ResolvedImage> {
  const { reference, origin, signal } = request;
  const { manifest, platform: chosen, listed } = await chooseManifest(tree, root, request);
  const config = await tree.config(manifest, signal);
  const platform = chosen ?? platformOfConfig(config);
  const warnings = chosen === undefined ? checkSingle(platform, request) : skippedAttestations(tree, request);
  return {
    reference,
    ...(origin === undefined ? {} : { origin }),
    manifestDigest: manifest.digest,
    manifestMediaType: manifest.content.mediaType,
    manifestBytes: manifest.sizeBytes,
    platform,
    ...(listed === undefined ? {} : { listedPlatform: listed }),
    configDigest: manifest.content.config.digest,
    config,
    layers: pairLayers(manifest, config),
    ...('single' in root ? {} : { platforms: root.choices.map(publicCandidate) }),
    warnings,
  };
}

/** What can be asked for. */
export async function platformsOf(tree: ImageTree, root: ImageRoot, signal: AbortSignal): Promise<readonly PlatformManifest[]> {
  if ('choices' in root) return root.choices.map(publicCandidate);
  const { digest, sizeBytes } = root.single;
  return [{ platform: platformOfConfig(await tree.config(root.single, signal)), digest, sizeBytes }];
}

/** `platform` is undefined when there was no choice: then the config says it. */
async function chooseManifest(
  tree: ImageTree,
  root: ImageRoot,
  request: ResolveRequest,
): Promise<{ readonly manifest: ManifestDocument; readonly platform?: Platform; readonly listed?: Platform | undefined }> {
  if ('single' in root) {
    if (request.digest !== undefined && request.digest !== root.single.digest)
      throw noManifest(request.reference, request.digest);
    return { manifest: root.single };
  }
  const { descriptor, platform } = choose(root.choices, request);
  return { manifest: await tree.manifest(descriptor, request.signal), platform, listed: descriptor.platform };
}

function choose(choices: readonly Candidate[], { reference, platform, digest }: ResolveRequest): Candidate {
  if (digest !== undefined) return chooseByDigest(choices, { reference, platform, digest });
  const wanted = platform ?? hostPlatform();
  const chosen = choosePlatform(choices, wanted);
  if (chosen === undefined) throw notFound(reference, wanted, choices);
  return chosen;
}

function chooseByDigest(
  choices: readonly Candidate[],
  { reference, platform, digest }: Pick<ResolveRequest, 'reference' | 'platform'> & { readonly digest: Digest },
): Candidate {
  const entries = choices.filter((choice) => choice.digest === digest);
  const [first] = entries;
  if (first === undefined) throw noManifest(reference, digest);
  const chosen = platform === undefined ? first : choosePlatform(entries, platform);
  if (chosen === undefined) throw notFound(`${reference} (${digest})`, platform ?? first.platform, entries);
  return chosen;
}

/** Said only where one manifest after another is taken: who asks for a platform does not miss them. */
function skippedAttestations({ attestationCount }: ImageTree, { reference, digest }: ResolveRequest): readonly string[] {
  if (digest === undefined || attestationCount === 0) return [];
  return [`${reference}: skipped ${attestationCount} attestation${attestationCount === 1 ? '' : 's'}`];
}

/** A single manifest is used whatever its platform, unless one was asked for. */
function checkSingle(actual: Platform, { reference, platform, digest }: ResolveRequest): readonly string[] {
  if (actual.architecture === 'unknown') return [];
  const wanted = platform ?? hostPlatform();
  if (choosePlatform([{ platform: actual }], wanted) !== undefined) return [];
  if (platform !== undefined) throw notFound(reference, wanted, [{ platform: actual }]);
  if (digest !== undefined) return [];
  return [`the image is for ${formatPlatform(actual)} only, this machine is ${formatPlatform(wanted)}`];
}

function notFound(reference: string, wanted: Platform, offered: readonly { platform: Platform }[]): ClipctlError {
  const names = [...new Set(offered.map(({ platform }) => formatPlatform(platform)))];
  const list = names.length === 0 ? 'it has no images at all' : `it has ${names.slice(0, 30).join(', ')}`;
  return new ClipctlError(
    'PLATFORM_NOT_FOUND',
    `${reference} has no image for ${formatPlatform(normalizePlatform(wanted))}: ${list}`,
    {
      details: { wanted: formatPlatform(wanted), available: names.join(' ') },
      hint: 'Choose one of them with --platform.',
    },
  );
}

function noManifest(reference: string, digest: Digest): ClipctlError {
  return new ClipctlError('IMAGE_NOT_FOUND', `${reference} has no image ${digest}`, { details: { digest } });
}

function publicCandidate({ platform, digest, sizeBytes }: Candidate): PlatformManifest {
  return { platform, digest, sizeBytes };
}
