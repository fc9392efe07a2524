/** `oci:DIR[:TAG]` and `oci:DIR@DIGEST` (CLI.md "Naming an image"). */
import { ClipctlError } from '../errors.ts';
import { parseDigest, type Digest } from '../oci/digest.ts';

export interface LayoutName {
  /** As the user wrote it. */
  readonly text: string;
  readonly directory: string;
  /** Value of `org.opencontainers.image.ref.name`; it may hold `/` and `:`. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const MAX_NAME_CHARS = 8192;

/**
 * The directory ends at the first `:`, as skopeo has it, or at the last `@` before something like a digest.
 * @param text the name without `oci:`
 * @throws ClipctlError REFERENCE_INVALID, DIGEST_INVALID, UNSUPPORTED_DIGEST
 */
export function parseLayoutName(text: string): LayoutName {
  const whole = `oci:${text}`;
  if (text.length > MAX_NAME_CHARS || text.includes('\0')) throw invalid(whole, 'the name is too long or holds a NUL');
  const at = text.lastIndexOf('@');
  if (at >= 0 && text.indexOf(':', at) > at) {
    const digest = parseDigest(text.slice(at + 1), 'reference');
    return { text: whole, directory: required(text.slice(0, at), whole), digest };
  }
  const colon = text.indexOf(':');
  if (colon < 0) return { text: whole, directory: required(text, whole) };
  const tag = text.slice(colon + 1);
  if (tag === '') throw invalid(whole, 'the tag is empty');
  return { text: whole, directory: required(text.slice(0, colon), whole), tag };
}

function required(directory: string, whole: string): string {
  if (directory === '') throw invalid(whole, 'the directory is missing');
  return directory;
}

function invalid(text: string, problem: string): ClipctlError {
  return new ClipctlError('REFERENCE_INVALID', `not an image layout: ${JSON.stringify(text.slice(0, 200))}: ${problem}`, {
    hint: 'Write oci:DIR, oci:DIR:TAG or oci:DIR@sha256:….',
  });
}
