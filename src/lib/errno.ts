/** The names of what system calls fail with, also of those that libuv has no name for. */

/** What Node says then, as the call was made: the number alone tells. */
const NAMELESS = /^UNKNOWN$|^Unknown system error/;

/** Of Linux (asm-generic/errno.h), those that files fail with: a server of NFS, a damaged file system, a quota. */
const NUMBERS: Readonly<Record<number, string>> = { 116: 'ESTALE', 117: 'EUCLEAN', 122: 'EDQUOT' };

/** The `code` of a system error (`ENOENT`, `EEXIST`, …); `undefined` for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (!NAMELESS.test(error.code) || !('errno' in error)) return error.code;
  return NUMBERS[-Number(error.errno)] ?? error.code;
}
