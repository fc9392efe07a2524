/** The names of what system calls fail with, also of those that libuv has no name for: EDQUOT of a quota, ESTALE of NFS. */
import { constants } from 'node:os';

/** What Node says then, as the call was made: the number alone tells. */
const NAMELESS = /^UNKNOWN$|^Unknown system error/;

/** The `code` of a system error (`ENOENT`, `EEXIST`, …); `undefined` for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined;
  if (!NAMELESS.test(error.code) || !('errno' in error)) return error.code;
  return nameOf(error.errno) ?? error.code;
}

function nameOf(errno: unknown): string | undefined {
  return Object.entries(constants.errno).find(([, number]) => number === -Number(errno))?.[0];
}
