/** What the tar scanner throws: `TAR_INVALID`, `LIMIT_ENTRIES`, `LIMIT_HEADER`, each with a `reason` that tests and people can tell apart. */
import { ClipctlError } from '../errors.ts';

/** Why a tar was refused; stands in `details.reason`. */
export type TarRefusalReason =
  | 'checksum'
  | 'number'
  | 'negative-size'
  | 'pax-record'
  | 'sparse-map'
  | 'end-marker'
  | 'cut'
  | 'unsafe-number'
  | 'header-too-long'
  | 'too-many-entries';

/** A tar that Go's `archive/tar` refuses too, but for `unsafe-number` (values a JavaScript number can't hold exactly). */
export function invalidTar(reason: TarRefusalReason, message: string): ClipctlError {
  return new ClipctlError('TAR_INVALID', message, { details: { reason } });
}

/** A header longer than the limit. `claimedBytes` is what the header says, or what was read of a header without a length. */
export function headerTooLong(what: string, claimedBytes: number, limitBytes: number): ClipctlError {
  return new ClipctlError('LIMIT_HEADER', `${what} of ${claimedBytes} bytes is over the limit of ${limitBytes} bytes`, {
    details: { reason: 'header-too-long', claimedBytes, limitBytes },
  });
}

/** More entries than the limit. */
export function tooManyEntries(limit: number): ClipctlError {
  return new ClipctlError('LIMIT_ENTRIES', `the layer has more than ${limit} entries`, {
    hint: 'Raise --max-entries if you trust the image.',
    details: { reason: 'too-many-entries', limit },
  });
}

/** The same refusal with the place in the decompressed tar where its member begins. */
export function atTarOffset(error: unknown, uncompressedOffset: number): unknown {
  if (!(error instanceof ClipctlError)) return error;
  return new ClipctlError(error.code, `${error.message} (tar member at byte ${uncompressedOffset})`, {
    cause: error,
    details: { ...error.details, uncompressedOffset },
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
