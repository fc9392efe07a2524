/** The one mapping from errors to exit codes (CLI.md "Exit codes"; docs/exit-codes.md). */
import { errorClassOf, type ErrorClass, type ErrorCode } from '../lib/errors.ts';

const EXIT_CODES: Readonly<Record<ErrorClass, number>> = {
  internal: 1,
  usage: 2,
  partial: 3,
  'not-found': 4,
  'not-allowed': 5,
  network: 6,
  integrity: 7,
  storage: 8,
  refused: 9,
  no: 10,
  remote: 11,
  // A signal gives 128 + its number (interruption.ts); this is the answer when something else aborted.
  aborted: 130,
};

/** stdout or stderr was closed by its reader (128 + SIGPIPE). */
export const EXIT_CLOSED_PIPE = 141;

export function exitCodeOf(code: ErrorCode): number {
  return EXIT_CODES[errorClassOf(code)];
}
