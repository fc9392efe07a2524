/** `verify` of an image: manifests, configs, and every layer read once, in a pass that keeps nothing. All problems are listed. */
import { errorClassOf, errorCodeOf } from '../errors.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { formatPlatform, type Platform } from '../oci/platform.ts';
import { ingestLayer } from '../pipeline/ingest-layer.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import type { ImageSource, PlatformManifest, ResolvedImage } from '../source/image-source.ts';
import { announceImages } from './announce-images.ts';
import { valuesOrThrow } from './failures.ts';
import { openOnlineSource } from './open-image.ts';
import type { Session } from './open-session.ts';
import { layerProblems, placeOfLayer } from './verify-layer.ts';
import { verifyOthers, type OthersVerdict } from './verify-others.ts';
import { failureOf, problemOf, type VerifyCounts, type VerifyProblem, type VerifyResult } from './verify-results.ts';

export interface VerifyRequest {
  readonly image: string;
  /** Default: every platform that the name stands for. */
  readonly platform?: Platform;
}

/** What was found of one layer. */
interface LayerVerdict {
  readonly counts: VerifyCounts;
  readonly problems: readonly VerifyProblem[];
}

/** @throws ClipctlError when the image can't be found or reached, USAGE, OFFLINE_MISS; what is wrong with it is in the result */
export async function verifyImage(session: Session, request: VerifyRequest): Promise<VerifyResult> {
  const startedAt = performance.now();
  const source = openOnlineSource(session, request.image, 'fresh');
  session.pool.startEarly(2);
  const { images, problems } = await resolveAll(session, source, request);
  const verdicts = await verifyLayers(session, { source, images, name: request.image });
  // Who asks for one platform does not ask for what is said of all; and what can't be opened lists nothing.
  const isWhole = request.platform === undefined && images.length > 0;
  const others = isWhole ? await verifyOthers(session, source) : NO_OTHERS;
  problems.push(...verdicts.flatMap((verdict) => verdict.problems), ...others.problems);
  const [only] = images;
  return {
    image: request.image,
    ...(only === undefined || images.length > 1 ? {} : { platform: formatPlatform(only.platform) }),
    kind: 'image',
    images: images.map(({ platform, manifestDigest, layers }) => ({
      platform: formatPlatform(platform),
      manifestDigest,
      layers: layers.length,
    })),
    checked: sumOf([...verdicts.map(({ counts }) => counts), { ...NOTHING, bytes: others.bytes }]),
    problems,
    ok: failureOf(problems) === undefined,
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: [...new Set(images.flatMap((image) => image.warnings))],
  };
}

interface ResolvedImages {
  readonly images: readonly ResolvedImage[];
  readonly problems: VerifyProblem[];
}

/** Every image that was asked for; what is wrong with a manifest or config is a problem of that image alone. */
async function resolveAll(session: Session, source: ImageSource, { platform }: VerifyRequest): Promise<ResolvedImages> {
  const { signal } = session;
  const problems: VerifyProblem[] = [];
  const images: ResolvedImage[] = [];
  const choices = await list(session, source, platform).catch((error: unknown) => {
    problems.push(verdictOf(error, 'manifest'));
    return [];
  });
  const isOnlyOne = choices.length === 1;
  for (const choice of choices) {
    const where = choice === undefined ? 'manifest' : `manifest ${choice.digest} (${formatPlatform(choice.platform)})`;
    try {
      const which = choice === undefined ? {} : { digest: choice.digest, platform: choice.platform };
      const image = await source.resolve({
        signal,
        ...which,
        ...(choice === undefined && platform !== undefined && { platform }),
      });
      problems.push(...platformProblems(image, where));
      images.push(image);
    } catch (error) {
      problems.push(isOnlyOne ? verdictOf(error, where) : problemOf(error, where));
    }
  }
  return { images, problems };
}

/** What to resolve; undefined: what the source chooses, which also says best why there is nothing. */
async function list(
  { signal }: Session,
  source: ImageSource,
  platform: Platform | undefined,
): Promise<readonly (PlatformManifest | undefined)[]> {
  if (platform !== undefined) return [undefined];
  const all = await source.listPlatforms({ signal });
  const distinct = new Map(all.map((each) => [`${each.digest} ${formatPlatform(each.platform)}`, each]));
  return all.length <= 1 ? [undefined] : [...distinct.values()];
}

/** Wrong bytes are a verdict; an image that is not there or can't be reached is none. */
function verdictOf(error: unknown, where: string): VerifyProblem {
  const failure = errorClassOf(errorCodeOf(error));
  if (failure !== 'integrity' && failure !== 'refused') throw error;
  return problemOf(error, where);
}

/** What an image index says of an image, and what the image says itself: to the letter, as crane has it. */
function platformProblems({ listedPlatform, config }: ResolvedImage, where: string): readonly VerifyProblem[] {
  if (listedPlatform === undefined) return [];
  const [listed, own] = [describeExactly(listedPlatform), describeExactly(config)];
  if (listed === own) return [];
  const message = `the image index lists it as ${listed.slice(0, 200)}, its config says ${own.slice(0, 200)}`;
  return [{ code: 'PLATFORM_MISMATCH', severity: 'error', where, message }];
}

/** `windows/amd64 10.0.20348.1 win32k`. */
function describeExactly(platform: Partial<Platform>): string {
  const { os = '', architecture = '', variant, osVersion = '', osFeatures = [] } = platform;
  const name = `${os}/${architecture}${variant === undefined ? '' : `/${variant}`}`;
  return [name, osVersion, ...[...osFeatures].sort()].filter((word) => word !== '').join(' ');
}

interface LayersRequest {
  readonly source: ImageSource;
  readonly images: readonly ResolvedImage[];
  readonly name: string;
}

/** Takes each distinct layer of all platforms through one pass. */
async function verifyLayers(session: Session, { source, images, name }: LayersRequest): Promise<readonly LayerVerdict[]> {
  const announced = images.map(({ platform, layers }) => ({ name, platform: formatPlatform(platform), layers }));
  announceImages(session, announced, ({ digest }) => digest);
  const distinct = new Map(images.flatMap(({ layers }) => layers.map((layer) => [promiseOf(layer), layer] as const)));
  const settled = await runLargestFirst([...distinct.values()], {
    limit: session.options.jobs,
    sizeOf: ({ sizeBytes }) => sizeBytes,
    work: (layer, isLast) => verifyLayer(session, { source, layer, isLast }),
  });
  return valuesOrThrow(settled, 'layers');
}

/** Two images may promise different things of one digest. */
function promiseOf({ digest, sizeBytes, diffId, mediaType }: LayerDescriptor): string {
  return JSON.stringify([digest, sizeBytes, diffId, mediaType]);
}

interface LayerTask {
  readonly source: ImageSource;
  readonly layer: LayerDescriptor;
  readonly isLast: boolean;
}

async function verifyLayer(session: Session, task: LayerTask): Promise<LayerVerdict> {
  const { layer } = task;
  try {
    const { facts } = await ingestLayer(session, { ...task, scan: true, checksums: true, keep: false });
    return { counts: countsOf(facts), problems: layerProblems(layer, facts) };
  } catch (error) {
    return { counts: NOTHING, problems: [problemOf(error, placeOfLayer(layer))] };
  }
}

const NO_OTHERS: OthersVerdict = { bytes: 0, problems: [] };
const NOTHING: VerifyCounts = { layers: 0, bytes: 0, entries: 0, checkpoints: 0 };

function countsOf({ compressedBytes, entries }: LayerFacts): VerifyCounts {
  return { layers: 1, bytes: compressedBytes, entries: entries.length, checkpoints: 0 };
}

function sumOf(counts: readonly VerifyCounts[]): VerifyCounts {
  const sum = (key: keyof VerifyCounts): number => counts.reduce((total, each) => total + each[key], 0);
  return { layers: sum('layers'), bytes: sum('bytes'), entries: sum('entries'), checkpoints: sum('checkpoints') };
}
