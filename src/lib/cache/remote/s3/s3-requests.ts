/** Requests to one bucket: a client made at the first of them, every failure an error of ours, retried as http/retry.ts says. */
import { withOwnRetry } from '../../../http/retry.ts';
import type { RemoteContext } from '../../remote-context.ts';
import { connect, type S3Connection } from './connect.ts';
import type { S3Address } from './s3-address.ts';
import { s3Failure } from './s3-failure.ts';

/** One request: what it does in words, and the call. */
export interface S3Request<T> {
  /** For messages: `PutObject`. */
  readonly operation: string;
  readonly signal: AbortSignal;
  /** The next tier can answer too. */
  readonly isLookup?: boolean;
  readonly send: (connection: S3Connection) => Promise<T>;
}

/** A lookup that needs more tries than this is answered faster by the next tier. */
const MAX_LOOKUP_RETRIES = 2;

export class S3Requests {
  readonly address: S3Address;
  readonly context: RemoteContext;
  #connection: Promise<S3Connection> | undefined;

  constructor(address: S3Address, context: RemoteContext) {
    this.address = address;
    this.context = context;
  }

  /** @throws ClipctlError UNAUTHORIZED, FORBIDDEN, NETWORK, TIMEOUT, RATE_LIMITED, REMOTE_FAILED; the signal's reason */
  async run<T>({ operation, signal, send, isLookup = false }: S3Request<T>): Promise<T> {
    const { bucket, endpoint } = this.address;
    const what = `${operation} in bucket ${bucket}${endpoint === undefined ? '' : ` of ${endpoint.host}`}`;
    signal.throwIfAborted();
    const { policy } = this.context;
    const retries = isLookup ? Math.min(policy.retries, MAX_LOOKUP_RETRIES) : policy.retries;
    return await withOwnRetry({ what, policy: { ...policy, retries }, signal }, async () => {
      try {
        return await send(await this.#connect());
      } catch (error) {
        throw s3Failure(error, what, signal);
      }
    });
  }

  /** Ends what the client keeps; the connections belong to the process. */
  async close(): Promise<void> {
    const connection = this.#connection;
    this.#connection = undefined;
    (await connection)?.client.destroy();
  }

  #connect(): Promise<S3Connection> {
    this.#connection ??= connect(this.address, this.context);
    return this.#connection;
  }
}
