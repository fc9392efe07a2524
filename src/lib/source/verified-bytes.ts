/** Small blobs (manifests, configs) that must be what their digest says before anybody parses them. */
import { createHash } from 'node:crypto';
import { ClipctlError } from '../errors.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOfHash, type ContentHash, type Digest } from '../oci/digest.ts';

/** The sha256 digest of some bytes. */
export function digestOf(bytes: Uint8Array): Digest {
  return digestOfHash(createHash('sha256').update(bytes).digest('hex') as ContentHash);
}

/** @throws ClipctlError SIZE_MISMATCH, DIGEST_MISMATCH */
export function assertBytes(bytes: Uint8Array, expected: { digest: Digest; sizeBytes?: number }, what: string): void {
  const { digest, sizeBytes } = expected;
  if (sizeBytes !== undefined && bytes.byteLength !== sizeBytes) {
    throw new ClipctlError('SIZE_MISMATCH', `${what}: ${bytes.byteLength} bytes instead of ${sizeBytes}`, {
      details: { digest, expectedBytes: sizeBytes, actualBytes: bytes.byteLength },
    });
  }
  const actual = digestOf(bytes);
  if (actual !== digest) {
    throw new ClipctlError('DIGEST_MISMATCH', `${what}: the bytes have the digest ${actual} instead of ${digest}`, {
      details: { expected: digest, actual },
    });
  }
}

/** The file that should hold a blob has another size than its descriptor says. */
export function wrongSize({ digest, sizeBytes }: Descriptor, actualBytes: number): ClipctlError {
  return new ClipctlError(
    'SIZE_MISMATCH',
    `blob ${digest}: the file has ${actualBytes} bytes, its descriptor says ${sizeBytes}`,
    {
      details: { digest, expectedBytes: sizeBytes, actualBytes },
    },
  );
}
