import { ClipctlError } from '../../errors.ts';

/** Runs one step of a clean-up, and leaves it where the file system refuses: what stays keeps nobody from the others. */
export async function asFarAsPossible(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof ClipctlError) && !(error instanceof Error && 'syscall' in error)) throw error;
  }
}
