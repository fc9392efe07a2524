/** `verify` of an index: that it decodes, and what is wrong with what it says. Reads the file alone, no layer. */
import { textOf } from '../byte-string.ts';
import type { ClipFile } from '../clip/clip-file.ts';
import type { ClipProblem } from '../clip/clip-problem.ts';
import { decodeClip } from '../clip/decode-clip.ts';
import { validateClip } from '../clip/validate-clip.ts';
import { errorCodeOf } from '../errors.ts';
import { formatPlatform } from '../oci/platform.ts';
import { isNormalFor, readClip } from './open-image.ts';
import type { Session } from './open-session.ts';
import { failureOf, problemOf, type VerifyProblem, type VerifyResult } from './verify-results.ts';

/** @throws ClipctlError FILE_NOT_FOUND, STORAGE_*; what is wrong with the index is in the result */
export async function verifyClip(session: Session, name: string): Promise<VerifyResult> {
  const startedAt = performance.now();
  const { file, bytes, problems } = await openClip(name);
  const metadata = file?.storageInfo.imageMetadata;
  const platform = metadata === undefined || metadata.os === '' ? undefined : platformOf(metadata);
  return {
    image: name,
    ...(platform === undefined ? {} : { platform }),
    kind: 'index',
    images: [],
    checked: { layers: 0, bytes, entries: file?.nodes.length ?? 0, checkpoints: 0 },
    problems,
    ok: failureOf(problems) === undefined,
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: [],
  };
}

interface OpenedClip {
  /** Undefined when it does not decode. */
  readonly file?: ClipFile;
  readonly bytes: number;
  readonly problems: readonly VerifyProblem[];
}

async function openClip(name: string): Promise<OpenedClip> {
  let sizeBytes = 0;
  try {
    const bytes = await readClip(name);
    sizeBytes = bytes.length;
    const file = decodeClip(bytes);
    return { file, bytes: sizeBytes, problems: validateClip(file).map((problem) => asProblem(file, problem)) };
  } catch (error) {
    if (errorCodeOf(error) !== 'CLIP_INVALID') throw error;
    return { bytes: sizeBytes, problems: [problemOf(error, 'index')] };
  }
}

function asProblem(file: ClipFile, problem: ClipProblem): VerifyProblem {
  const { code, message, path, layer } = problem;
  const severity = isNormalFor(file, problem) ? 'warning' : problem.severity;
  const where = layer === undefined ? 'index' : `layer ${layer.slice(0, 100)}`;
  return { code, severity, message, where: path === undefined ? where : `${where} ${textOf(path)}` };
}

function platformOf({ os, architecture, variant }: ClipFile['storageInfo']['imageMetadata']): string {
  return formatPlatform({ os, architecture, ...(variant === '' ? {} : { variant }) });
}
