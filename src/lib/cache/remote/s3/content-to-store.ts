/** What a PUT and a multipart upload are given. */
export interface Condition {
  readonly IfNoneMatch?: string;
}

export type Create = <T>(run: (condition: Condition) => Promise<T>) => Promise<T>;

export interface ContentToStore {
  /** Behind the prefix. */
  readonly name: string;
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Of an upload in parts: how many are on their way together. */
  readonly partsAtOnce: number;
  /** Runs the request that makes the content visible, only when absent if the server can. */
  readonly create: Create;
}
