/** What a PUT and a multipart upload are given. */
import type { ContentHash } from '../../../oci/digest.ts';

export interface Condition {
  readonly IfNoneMatch?: string;
}

export type Create = <T>(run: (condition: Condition) => Promise<T>) => Promise<T>;

export interface ContentToStore {
  readonly key: string;
  readonly hash: ContentHash;
  readonly signal: AbortSignal;
  /** Of an upload in parts: how many are on their way together. */
  readonly partsAtOnce: number;
  /** Runs the request that makes the content visible, only when absent if the server can. */
  readonly create: Create;
}
