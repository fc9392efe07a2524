/** A request as the loopback registry saw it. */
export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly query: string;
  /** Of a POST, its first 64 KiB; else empty. */
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Which server it reached: the registry, or the storage that blobs are redirected to. */
  readonly server: 'registry' | 'storage';
  /** When it came (`performance.now()`). */
  readonly atMs: number;
  /** 1 for the first request of this path. */
  readonly count: number;
  /** 0 until the answer has begun. */
  readonly status: number;
  bytesServed: number;
}
