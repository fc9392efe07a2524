/** What `verify` found: problems with stable codes, and which exit code they come to. */
import type { ClipProblemCode } from '../clip/clip-problem.ts';
import { errorClassOf, errorCodeOf, ERROR_CODES, type ErrorClass, type ErrorCode } from '../errors.ts';
import type { Digest } from '../oci/digest.ts';
import type { MemoryFigures } from './results.ts';

/** Codes of `verify` alone (docs/VERIFY.md); errors and `.clip` problems keep their own. */
export type VerifyOnlyCode = 'DUPLICATE_PATH' | 'PLATFORM_MISMATCH' | 'MEDIA_TYPE_MISMATCH' | 'PROBLEMS_OMITTED';

/** Stable: scripts match on these. */
export type VerifyCode = ErrorCode | ClipProblemCode | VerifyOnlyCode;

export interface VerifyProblem {
  readonly code: VerifyCode;
  /** Errors make `ok` false; a warning is odd, but every reader gets the same bytes. */
  readonly severity: 'error' | 'warning';
  /** `manifest …`, `layer sha256:…`, `index`, with a path behind it where there is one. */
  readonly where: string;
  readonly message: string;
}

/** What was really looked at. */
export interface VerifyCounts {
  /** Distinct layers that were read to their end. */
  readonly layers: number;
  /** Compressed bytes of layers, or bytes of an index. */
  readonly bytes: number;
  /** Members of those layers, or nodes of an index. */
  readonly entries: number;
  /** Checkpoints that a decoder was started at. */
  readonly checkpoints: number;
}

export interface VerifyResult extends MemoryFigures {
  readonly image: string;
  /** Only when one image was verified. */
  readonly platform?: string;
  /** `index`: a `.clip` file. */
  readonly kind: 'image' | 'index';
  readonly images: readonly { readonly platform: string; readonly manifestDigest: Digest; readonly layers: number }[];
  readonly checked: VerifyCounts;
  readonly problems: readonly VerifyProblem[];
  readonly ok: boolean;
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

const IS_ERROR_CODE: ReadonlySet<string> = new Set(ERROR_CODES);

/** A finding about the bytes is an integrity failure, unless its code says otherwise. */
function classOf(code: VerifyCode): ErrorClass {
  return IS_ERROR_CODE.has(code) ? errorClassOf(code as ErrorCode) : 'integrity';
}

/** What the problems come to: integrity before all, else the one class there is, else a mixture; undefined when all is right. */
export function failureOf(problems: readonly VerifyProblem[]): ErrorCode | undefined {
  const codes = problems.filter(({ severity }) => severity === 'error').map(({ code }) => code);
  const classes = new Set(codes.map(classOf));
  if (classes.has('integrity')) return 'MANIFEST_INVALID';
  return classes.size > 1 ? 'PARTIAL_FAILURE' : (codes[0] as ErrorCode | undefined);
}

/** Failures that say nothing of the image: the run itself ends with them. */
const ENDS_THE_RUN: ReadonlySet<ErrorClass> = new Set(['internal', 'usage', 'aborted']);

/** A failure as a problem. @throws the failure itself when it is a bug, a wrong use or an abort */
export function problemOf(error: unknown, where: string): VerifyProblem {
  const code = errorCodeOf(error);
  if (ENDS_THE_RUN.has(errorClassOf(code))) throw error;
  return { code, severity: 'error', where, message: error instanceof Error ? error.message : code };
}
