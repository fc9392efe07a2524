/** What a session lends to the drivers of remote caches: memory, connections, and how to be patient. */
import type { CredentialProvider } from '../auth/credentials.ts';
import type { Dispatcher } from '../http/dispatcher.ts';
import type { RetryPolicy } from '../http/retry.ts';
import type { BufferBudget } from './buffer-budget.ts';

export interface RemoteContext {
  /** Whatever waits in memory is leased here. */
  readonly budget: BufferBudget;
  /** The connections of the process; drivers with a client of their own (S3, Redis, gRPC) make theirs. */
  readonly dispatcher: Dispatcher;
  /** Give up on a call that has moved no byte for so long. */
  readonly timeoutMs: number;
  readonly policy: RetryPolicy;
  /** Logins of registries, for `oci://` remotes. */
  readonly credentials: CredentialProvider;
  /** `host[:port]` that may be spoken to over plain HTTP or with an unverified certificate. */
  readonly insecureHosts: readonly string[];
  /** Hears that a registry is spoken to without TLS, and why. */
  readonly onPlainHttp?: (message: string) => void;
  /** PEM file of authorities to trust besides the system's. */
  readonly caFile?: string;
  /** Where a driver notes what it has under way on a server, to clean up after a kill: `<cache-dir>/.clipctl/v1/uploads`. Its name may change: none is kept. */
  readonly uploadsDirectory: string;
  /** Makes what that directory lies in, where nobody else may make it. */
  readonly prepareUploads?: () => Promise<void>;
  /** The process's, or a test's. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Said once to the user; without secrets. */
  readonly onWarning: (message: string) => void;
}
