/** Where a user's own files lie. */
import { userInfo } from 'node:os';
import { isAbsolute } from 'node:path';

/**
 * The user's home directory: `$HOME`, else what the system's user database says. `undefined` when neither is an absolute
 * path: a relative one would be a directory of the working directory, and an untrusted checkout could fill it.
 */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string | undefined {
  return absolute(env['HOME']) ?? absolute(homeInDatabase());
}

/** The path, unless it is unset, empty or relative. */
export function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}

function homeInDatabase(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    // A container may run under a number that no database names.
    return undefined;
  }
}
