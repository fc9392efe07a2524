import type { ByteString } from '../byte-string.ts';

/** A member name as a path of the image. */
export interface CleanPath {
  /** Absolute, no `.`, `..` or empty component; `/` is the root. */
  readonly path: ByteString;
  /** True when a `..` would have led out of the root and was clamped there. */
  readonly escapes: boolean;
}

/** The root of an image. */
export const ROOT_PATH = '/' as ByteString;

/** An empty, `.` or `..` component anywhere. */
const UNCLEAN = /(?:^|\/)\.{0,2}(?:\/|$)/;

/**
 * Go's `path.Clean("/" + name)` over raw bytes, which is what Go CLIP does with a member name: `..` stops at the root,
 * a backslash is an ordinary byte.
 */
export function cleanPath(name: ByteString): CleanPath {
  const start = name.startsWith('./') ? 2 : name.startsWith('/') ? 1 : 0;
  const end = name.length > start && name.endsWith('/') ? name.length - 1 : name.length;
  const bare = name.slice(start, end);
  if (!UNCLEAN.test(bare)) return { path: `/${bare}` as ByteString, escapes: false };
  return cleanComponents(bare);
}

function cleanComponents(name: string): CleanPath {
  const kept: string[] = [];
  let escapes = false;
  for (const component of name.split('/')) {
    if (component === '' || component === '.') continue;
    if (component !== '..') kept.push(component);
    else if (kept.pop() === undefined) escapes = true;
  }
  return { path: `/${kept.join('/')}` as ByteString, escapes };
}

/** The last component of a clean path; empty for the root. */
export function baseOf(path: ByteString): ByteString {
  return path.slice(path.lastIndexOf('/') + 1) as ByteString;
}

/** The clean path without its last component; `/` for the root. */
export function parentOf(path: ByteString): ByteString {
  const slash = path.lastIndexOf('/');
  return slash <= 0 ? ROOT_PATH : (path.slice(0, slash) as ByteString);
}
