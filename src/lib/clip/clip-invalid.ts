import { ClipctlError, type ErrorDetails } from '../errors.ts';

/**
 * The most elements of any list in a file (RELIABILITY.md §1.3 row 6: the most entries of an image). An element may
 * take a single byte and some 300 bytes of memory once decoded: without a limit a file of zeros is a bomb.
 */
export const MAX_LIST_ELEMENTS = 5_000_000;

/** The error of everything that is wrong with a `.clip` file: what, and in which field or at which offset of the file. */
export function clipInvalid(message: string, details: ErrorDetails = {}): ClipctlError {
  return new ClipctlError('CLIP_INVALID', `not a valid .clip file: ${message}`, {
    details,
    hint: 'Write the index again with `clipctl index`.',
  });
}
