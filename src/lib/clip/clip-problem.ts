import type { ByteString } from '../byte-string.ts';

/** What can be wrong with a `.clip` that is well-formed. Stable: scripts match on these. */
export type ClipProblemCode =
  | 'ROOT_MISSING'
  | 'PATH_NOT_ABSOLUTE'
  | 'PATH_NOT_CLEAN'
  | 'PATH_TRAVERSAL'
  | 'PATH_NUL'
  | 'PATH_DUPLICATE'
  | 'NODES_NOT_SORTED'
  | 'NODE_TYPE_UNKNOWN'
  | 'NODE_TYPE_MODE_MISMATCH'
  | 'PARENT_MISSING'
  | 'PARENT_NOT_DIRECTORY'
  | 'LAYER_DIGEST_INVALID'
  | 'LAYER_HASH_INVALID'
  | 'LAYER_HASH_MISSING'
  | 'LAYER_UNKNOWN'
  | 'REFERENCE_INVALID'
  | 'REFERENCE_SIZE_MISMATCH'
  | 'REFERENCE_BEYOND_LAYER'
  | 'REFERENCES_OVERLAP'
  | 'CONTENT_MISSING'
  | 'CHECKPOINT_INVALID'
  | 'CHECKPOINT_BEYOND_LAYER'
  | 'EXTENSION_HASH_MISMATCH'
  | 'EXTENSION_DIGEST_COUNT'
  | 'EXTENSION_HARD_LINK_MISSING'
  | 'EXTENSION_SPARSE_INVALID'
  | 'PROBLEMS_OMITTED';

export interface ClipProblem {
  readonly code: ClipProblemCode;
  /** An error makes reads wrong or unsafe; a warning is odd, but every file can be read. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** The entry it is about. */
  readonly path?: ByteString;
  /** The layer it is about. */
  readonly layer?: string;
}

export type ReportProblem = (problem: ClipProblem) => void;
