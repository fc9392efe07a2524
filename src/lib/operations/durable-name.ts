import { resolve } from 'node:path';
import { formatReference, parseReference } from '../oci/reference.ts';
import { isClipName } from './open-image.ts';

const LOCAL_SCHEMES = ['oci:', 'oci-archive:', 'docker-archive:'];

/**
 * An image as it can be named again from any directory: absolute paths, references with their defaults written out. So two
 * ways to name one image give one name.
 * @throws ClipctlError REFERENCE_INVALID, DIGEST_INVALID, UNSUPPORTED_DIGEST
 */
export function durableName(name: string): string {
  if (isClipName(name)) return resolve(name);
  const scheme = LOCAL_SCHEMES.find((each) => name.startsWith(each));
  if (scheme !== undefined) return `${scheme}${resolve(name.slice(scheme.length))}`;
  return formatReference(parseReference(name.replace(/^docker:\/\//, '')));
}
