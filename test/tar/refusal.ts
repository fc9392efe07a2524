import { ClipctlError } from '../../src/lib/errors.ts';

/** `[code, reason]` of what `action` throws on purpose; undefined when it throws nothing. */
export function refusalOf(action: () => unknown): [string, unknown] | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (!(error instanceof ClipctlError)) throw error;
    return [error.code, error.details.reason];
  }
}
