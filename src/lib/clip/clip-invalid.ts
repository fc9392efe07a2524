import { ClipctlError, type ErrorDetails } from '../errors.ts';

/** The error of everything that is wrong with a `.clip` file: what, and in which field or at which offset of the file. */
export function clipInvalid(message: string, details: ErrorDetails = {}): ClipctlError {
  return new ClipctlError('CLIP_INVALID', `not a valid .clip file: ${message}`, {
    details,
    hint: 'Write the index again with `clipctl index`.',
  });
}
