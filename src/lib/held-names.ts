/**
 * What people and machines are told of a file in a directory that is held open: its path, never the name that leads
 * through the held directory (cache/held-directory.ts for a moment, cache/disk/held-layout.ts for long). Every ClipctlError says it so.
 */

/** Where Linux has names of what this process has open. */
export const HELD = '/proc/self/fd/';
/** `/.` at the end stands for the directory itself. */
const HELD_NAME = /\/proc\/self\/fd\/(-1|\d{1,10})(?!\d)(?:\/\.(?![\w.-]))?/g;

/** Leads nowhere: a name of something that is missing in a held directory, with its path behind. */
export const NOWHERE = `${HELD}-1`;

/** Paths of directories that are held for long, by their descriptors. */
const paths = new Map<string, string>();

/** From now on what stands behind the name of the descriptor is shown as standing in `path`. */
export function rememberHeld(fd: number, path: string): void {
  paths.set(String(fd), path);
}

/** Before the descriptor is closed. */
export function forgetHeld(fd: number): void {
  paths.delete(String(fd));
}

/** A text with the paths of held directories in the place of their names. */
export function withRealPaths(text: string): string {
  if (!text.includes(HELD)) return text;
  return text.replace(HELD_NAME, (name, fd: string) => (fd === '-1' ? '' : (paths.get(fd) ?? name)));
}

/** What the file system threw, told so too: its message and its paths. */
export function showRealPaths(error: unknown): void {
  if (!(error instanceof Error)) return;
  for (const key of ['message', 'path', 'dest']) {
    const value: unknown = Reflect.get(error, key);
    if (typeof value === 'string' && value.includes(HELD)) Reflect.set(error, key, withRealPaths(value));
  }
}
