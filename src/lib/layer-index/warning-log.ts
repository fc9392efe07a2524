import { textOf, type ByteString } from '../byte-string.ts';
import type { Digest } from '../oci/digest.ts';
import type { MergeWarning } from './entry.ts';

/** Warnings that are kept; what comes after is only counted, so that a hostile tar can't fill memory with them. */
export const MAX_WARNINGS = 1000;

const MAX_QUOTED_BYTES = 200;

/** Collects the warnings of a merge. */
export class WarningLog {
  readonly #kept: MergeWarning[] = [];
  #omitted = 0;

  add(warning: MergeWarning): void {
    if (this.#kept.length < MAX_WARNINGS) this.#kept.push(warning);
    else this.#omitted += 1;
  }

  get kept(): readonly MergeWarning[] {
    return this.#kept;
  }

  /** How many came after the first MAX_WARNINGS. */
  get omitted(): number {
    return this.#omitted;
  }
}

/** A path as it may stand in a message: quoted, control characters escaped, cut when long. */
export function quotePath(path: ByteString): string {
  const cut = path.length > MAX_QUOTED_BYTES;
  return JSON.stringify(textOf(cut ? (path.slice(0, MAX_QUOTED_BYTES) as ByteString) : path)) + (cut ? '...' : '');
}

/** What a merge step needs to warn about an entry of its layer. */
export interface LayerWarnings {
  warn(code: MergeWarning['code'], path: ByteString, message: string): void;
}

/** Warnings of one layer. */
export function warningsOf(log: WarningLog, layer: Digest): LayerWarnings {
  return { warn: (code, path, message) => log.add({ code, path, layer, message }) };
}

/** A name or a link target whose `..` go beyond the root. */
export function warnEscape(path: ByteString, what: string, warnings: LayerWarnings): void {
  warnings.warn('PATH_ESCAPES', path, `${what} leads out of the root: clamped to it`);
}
