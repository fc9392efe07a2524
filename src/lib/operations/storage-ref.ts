import type { Digest } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';

/** Where a reader of the index will fetch layers from. */
export interface StorageRef {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
  /** Of the manifest. */
  readonly digest?: Digest;
}

/** `--storage-ref`. @throws ClipctlError REFERENCE_INVALID */
export function parseStorageRef(text: string): StorageRef {
  const { registry, repository, tag, digest } = parseReference(text);
  return { registry, repository, ...(tag !== undefined && { tag }), ...(digest !== undefined && { digest }) };
}
