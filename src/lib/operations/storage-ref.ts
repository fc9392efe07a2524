import { parseReference } from '../oci/reference.ts';

/** Where a reader of the index will fetch layers from. */
export interface StorageRef {
  readonly registry: string;
  readonly repository: string;
  readonly tag?: string;
}

/** `--storage-ref`. @throws ClipctlError REFERENCE_INVALID */
export function parseStorageRef(text: string): StorageRef {
  const { registry, repository, tag } = parseReference(text);
  return { registry, repository, ...(tag === undefined ? {} : { tag }) };
}
