/** `docker-archive:FILE[:REF]` (CLI.md "Naming an image"). */
import { ClipctlError } from '../../errors.ts';

export interface ArchiveName {
  /** `-` is stdin. */
  readonly path: string;
  /** An image reference: what stands behind the first colon. */
  readonly image?: string;
}

const MAX_NAME_CHARS = 8192;

/**
 * The file ends at the first `:`, as skopeo has it.
 * @param text the name without its scheme
 * @throws ClipctlError REFERENCE_INVALID
 */
export function parseArchiveName(text: string): ArchiveName {
  if (text.length > MAX_NAME_CHARS || text.includes('\0')) throw invalid(text, 'the name is too long or holds a NUL');
  const colon = text.indexOf(':');
  const path = colon < 0 ? text : text.slice(0, colon);
  if (path === '') throw invalid(text, 'the file is missing');
  if (colon < 0) return { path };
  const image = text.slice(colon + 1);
  if (image === '') throw invalid(text, 'nothing stands behind the colon');
  return { path, image };
}

function invalid(text: string, problem: string): ClipctlError {
  const shown = JSON.stringify(text.slice(0, 200));
  return new ClipctlError('REFERENCE_INVALID', `not an archive: ${shown}: ${problem}`, {
    hint: 'Write docker-archive:FILE[:REF]; FILE may be - for stdin.',
  });
}
