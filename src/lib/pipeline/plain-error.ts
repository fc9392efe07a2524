import { ClipctlError, errorCodeOf } from '../errors.ts';
import type { PlainError } from './layer-job.ts';

/** An error in a form that survives postMessage. */
export function plainErrorOf(error: unknown): PlainError {
  const known = error instanceof ClipctlError ? error : undefined;
  return {
    code: errorCodeOf(error),
    message: error instanceof Error ? error.message : String(error),
    details: known?.details ?? {},
    ...(known?.hint === undefined ? {} : { hint: known.hint }),
    ...(error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {}),
  };
}

/** The error again, on the other side. */
export function errorFromPlain(plain: PlainError): ClipctlError {
  const error = new ClipctlError(plain.code, plain.message, {
    details: plain.details,
    ...(plain.hint === undefined ? {} : { hint: plain.hint }),
  });
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}
