/** `verify` of an index: that it decodes, and what is wrong with what it says. Without `full` it reads the file alone, no layer. */
import { textOf } from '../byte-string.ts';
import type { ClipFile } from '../clip/clip-file.ts';
import type { ClipProblem } from '../clip/clip-problem.ts';
import { decodeClip } from '../clip/decode-clip.ts';
import { validateClip } from '../clip/validate-clip.ts';
import { errorCodeOf } from '../errors.ts';
import { isNormalFor, readClip } from './open-image.ts';
import type { Session } from './open-session.ts';
import { platformOfClip } from './verify-platform.ts';
import { failureOf, problemOf, type VerifyProblem, type VerifyResult } from './verify-results.ts';

export interface VerifyClipRequest {
  /** Path of the index. */
  readonly image: string;
  /** Also read its image, and compare. */
  readonly full?: boolean;
}

/** @throws ClipctlError FILE_NOT_FOUND, STORAGE_*; with `full` when the image can't be had. What is wrong is in the result */
export async function verifyClip(session: Session, { image: name, full = false }: VerifyClipRequest): Promise<VerifyResult> {
  const startedAt = performance.now();
  const { file, bytes, problems: own } = await openClip(name);
  const platform = file === undefined ? undefined : platformOfClip(file);
  // What is wrong in itself needs no comparison.
  const isComparable = full && file !== undefined && failureOf(own) === undefined;
  const compared = isComparable ? await compare(session, { name, file }) : undefined;
  const problems = [...own, ...(compared?.problems ?? [])];
  const { layers = 0, bytes: layerBytes = 0, checkpoints = 0 } = compared?.counts ?? {};
  return {
    image: name,
    ...(platform === undefined ? {} : { platform }),
    kind: 'index',
    images: [],
    checked: { layers, bytes: bytes + layerBytes, entries: file?.nodes.length ?? 0, checkpoints },
    problems,
    ok: failureOf(problems) === undefined,
    durationMs: Math.round(performance.now() - startedAt),
    ...session.memoryFigures(),
    warnings: [],
  };
}

async function compare(session: Session, index: { readonly name: string; readonly file: ClipFile }) {
  const { verifyAgainstImage } = await import('./verify-against-image.ts');
  return verifyAgainstImage(session, index);
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
