/** Whom TLS trusts besides what Node does by itself: a file with certificates of authorities in PEM. */
import { readFile } from 'node:fs/promises';
import { rootCertificates } from 'node:tls';
import { storageError } from '../errors.ts';

/**
 * All authorities to trust, those of Node included: giving TLS any list replaces its own.
 * @throws ClipctlError STORAGE_* naming the file
 */
export async function trustedAuthorities(caFile: string): Promise<string[]> {
  try {
    return [...rootCertificates, await readFile(caFile, 'utf8')];
  } catch (error) {
    throw storageError(error, caFile, { doing: 'read', elsewhere: 'another file of authorities' });
  }
}
