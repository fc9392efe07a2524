/** `verify FILE.clip --full`: the index against its image. Every layer is read, every checkpoint started at, every path compared. */
import { isDeepStrictEqual } from 'node:util';
import type { ClipFile } from '../clip/clip-file.ts';
import { composeClip } from '../clip/compose.ts';
import { hasKernel } from '../compression/gzip/kernel-inflate.ts';
import { mergeLayers } from '../layer-index/merge.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { isDigest } from '../oci/digest.ts';
import { parsePlatform } from '../oci/platform.ts';
import { ingestLayer } from '../pipeline/ingest-layer.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import { proveSpans } from '../pipeline/prove-spans.ts';
import { runLargestFirst } from '../pipeline/run-largest-first.ts';
import { planRuns, type SpanRun } from '../pipeline/span-plan.ts';
import type { ImageSource, ResolvedImage } from '../source/image-source.ts';
import { announceImages } from './announce-images.ts';
import { valuesOrThrow } from './failures.ts';
import { layerMapOf, layersOfClip, sourceOfClip } from './open-image.ts';
import type { Session } from './open-session.ts';
import { entryProblems } from './verify-entries.ts';
import { placeOfLayer } from './verify-layer.ts';
import { platformOfClip } from './verify-platform.ts';
import { problemOf, type VerifyCounts, type VerifyProblem } from './verify-results.ts';

/** An index that decodes and says nothing impossible. */
export interface IndexToVerify {
  readonly name: string;
  readonly file: ClipFile;
}

export interface ImageVerdict {
  readonly counts: Pick<VerifyCounts, 'layers' | 'bytes' | 'checkpoints'>;
  readonly problems: readonly VerifyProblem[];
}

/** @throws ClipctlError when the image can't be found or reached, OFFLINE_MISS, BLOB_NOT_FOUND for an index that names none */
export async function verifyAgainstImage(session: Session, index: IndexToVerify): Promise<ImageVerdict> {
  const { name, file } = index;
  const source = sourceOfClip(session, index, 'fresh');
  session.pool.startEarly(2);
  const image = await source.resolve({ signal: session.signal, ...wantedPlatform(file) });
  const layers = [...new Map(layersOfClip(file, name).map((layer) => [layer.digest, layer])).values()];
  announceImages(session, [{ name, platform: platformOfClip(file) ?? '', layers }], ({ digest }) => digest);
  const settled = await runLargestFirst(layers, {
    limit: session.options.jobs,
    sizeOf: ({ sizeBytes }) => sizeBytes,
    work: (layer, isLast) => verifyLayer(session, { source, file, layer, isLast }),
  });
  const verdicts = valuesOrThrow(settled, 'layers');
  const facts = verdicts.flatMap((verdict) => verdict.facts ?? []);
  const problems = [...layerListProblems(file, image), ...verdicts.flatMap((verdict) => verdict.problems)];
  if (problems.length === 0) problems.push(...composedProblems(session, file, { image, facts }));
  return {
    counts: {
      layers: facts.length,
      bytes: facts.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0),
      checkpoints: verdicts.reduce((sum, { checkpoints }) => sum + checkpoints, 0),
    },
    problems,
  };
}

/** A digest leaves no choice. */
function wantedPlatform(file: ClipFile): Pick<Parameters<ImageSource['resolve']>[0], 'platform'> {
  const platform = platformOfClip(file);
  return platform === undefined || isDigest(file.storageInfo.reference) ? {} : { platform: parsePlatform(platform) };
}

/** A tag may have moved on, and an index may be of another image altogether. */
function layerListProblems({ storageInfo }: ClipFile, { layers, manifestDigest }: ResolvedImage): readonly VerifyProblem[] {
  const promised = layers.map(({ digest, diffId }) => `${digest} ${diffId}`);
  const listed = storageInfo.layers.map((digest) => `${digest} sha256:${storageInfo.decompressedHashByLayer.get(digest) ?? ''}`);
  if (isDeepStrictEqual(promised, listed)) return [];
  const message = `the image has other layers: ${promised.length} in manifest ${manifestDigest}, ${listed.length} in the index`;
  return [{ code: 'IMAGE_MISMATCH', severity: 'error', where: 'index', message }];
}

interface LayerTask {
  readonly source: ImageSource;
  readonly file: ClipFile;
  readonly layer: LayerDescriptor;
  readonly isLast: boolean;
}

interface LayerVerdict {
  readonly facts?: LayerFacts;
  readonly checkpoints: number;
  readonly problems: readonly VerifyProblem[];
}

async function verifyLayer(session: Session, task: LayerTask): Promise<LayerVerdict> {
  const { file, layer } = task;
  const where = placeOfLayer(layer);
  try {
    const runs = runsToProve(task);
    const cuts = runs.map(({ uncompressedEnd }) => uncompressedEnd);
    const { facts } = await ingestLayer(session, { ...task, scan: true, checksums: true, keep: false, cuts });
    const problems = factProblems(file, facts, where);
    if (problems.length > 0) return { facts, checkpoints: 0, problems };
    return { facts, ...(await verifyCheckpoints(session, { ...task, runs, digests: facts.cutDigests ?? NO_DIGESTS })) };
  } catch (error) {
    return { checkpoints: 0, problems: [problemOf(error, where)] };
  }
}

/** What our extension says of a layer, which was just seen. */
function factProblems({ extension }: ClipFile, facts: LayerFacts, where: string): readonly VerifyProblem[] {
  const said = extension?.layers.find(({ digest }) => digest === facts.digest);
  if (said === undefined) return [];
  const wrong = (['compression', 'compressedBytes', 'uncompressedBytes'] as const).filter((key) => said[key] !== facts[key]);
  const hasDigests = Buffer.compare(said.contentDigests, facts.contentDigests) === 0;
  const fields = [...wrong, ...(hasDigests ? [] : ['contentDigests'])];
  if (fields.length === 0) return [];
  return [{ code: 'LAYER_MISMATCH', severity: 'error', where, message: `the index is wrong about its ${fields.join(', ')}` }];
}

const NO_DIGESTS = new Uint8Array(0);

/** From each checkpoint to the next. */
function runsToProve({ file, layer }: LayerTask): readonly SpanRun[] {
  const map = layerMapOf(file, layer.digest);
  if (map === undefined || map.compression === 'none' || (map.compression === 'gzip' && !hasKernel())) return [];
  return planRuns(map, 1);
}

interface CheckpointTask extends LayerTask {
  readonly runs: readonly SpanRun[];
  readonly digests: Uint8Array;
}

async function verifyCheckpoints(
  session: Session,
  task: CheckpointTask,
): Promise<Pick<LayerVerdict, 'checkpoints' | 'problems'>> {
  const { layer, runs } = task;
  try {
    await proveSpans(session, { ...task, parallel: session.options.jobs });
    return { checkpoints: runs.length, problems: [] };
  } catch (error) {
    return { checkpoints: 0, problems: [problemOf(error, `${placeOfLayer(layer)} checkpoints`)] };
  }
}

function composedProblems(
  session: Session,
  file: ClipFile,
  { image, facts }: { readonly image: ResolvedImage; readonly facts: readonly LayerFacts[] },
): readonly VerifyProblem[] {
  const entriesOf = new Map(facts.map(({ digest, entries }) => [digest, entries]));
  const { created } = image.config;
  const tree = mergeLayers(
    image.layers.map(({ digest }) => ({ digest, entries: entriesOf.get(digest) ?? [] })),
    { maxEntries: session.maxEntries, ...(created !== undefined && { created }) },
  );
  return entryProblems(file, composeClip({ tree, image, layers: facts }));
}
