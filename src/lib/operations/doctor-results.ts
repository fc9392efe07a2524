/** What `doctor` returns: its JSON document without `schemaVersion` and `command`. */
import type { CredentialPlace } from '../auth/credential-places.ts';
import type { RegistryVisit } from '../auth/registry-visit.ts';
import type { CacheCapabilities } from '../cache/content-cache.ts';
import { ClipctlError, errorClassOf, errorCodeOf, type ErrorClass, type ErrorCode } from '../errors.ts';
import type { CacheLimits } from './cache-results.ts';

/** A setting as it is in force, and who said so. */
export interface SettingFact {
  /** The flag's name without dashes. */
  readonly name: string;
  /** null: not set, and it has no fixed default. */
  readonly value: string | number | boolean | readonly string[] | null;
  readonly unit?: 'bytes' | 'ms';
  readonly origin: 'flag' | 'environment' | 'config' | 'default';
}

export type CheckArea = 'configuration' | 'cache' | 'engines' | 'network' | 'credentials' | 'remotes' | 'registries';

export interface DoctorCheck {
  readonly area: CheckArea;
  /** `problem`: something will fail. `warning`: something may, or is not what was meant. */
  readonly status: 'ok' | 'warning' | 'problem';
  readonly message: string;
  readonly code?: ErrorCode;
  readonly hint?: string;
}

/** One part of the examination: facts, and what is to be said of them. */
export interface Examined<T> {
  readonly found: T;
  readonly checks: readonly DoctorCheck[];
}

export interface CacheFacts extends CacheLimits {
  readonly path: string;
  readonly exists: boolean;
  readonly writable: boolean;
  /** Octal, like `0700`. */
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  /** Its group may write (`--shared`). */
  readonly shared: boolean;
  /** Of our own state in it. */
  readonly layoutVersion: number;
  /** How processes that want one layer wait for each other. */
  readonly locks: 'kernel' | 'lease';
  readonly layers?: number;
  readonly ownBytes?: number;
}

export interface EngineFacts {
  readonly gzip: 'kernel' | 'node-zlib';
  readonly zstdDecoder?: 'wasm-zstd';
  readonly zstdEncoder?: 'node-zstd' | 'wasm-zstd';
  /** The optional package fs-native-extensions is there. */
  readonly nativeLocks: boolean;
}

export interface SystemFacts {
  readonly node: string;
  readonly platform: string;
  readonly architecture: string;
  readonly cores: number;
  readonly memoryBytes: number;
}

export interface NetworkFacts {
  readonly offline: boolean;
  readonly proxies: readonly { readonly variable: string; readonly url: string }[];
  readonly noProxy?: string;
  /** Files of authorities besides those that node has. */
  readonly authorities: readonly { readonly setting: string; readonly path: string }[];
  /** Directories of docker and podman that are there, and the registries they have files for. */
  readonly certsDirectories: readonly { readonly path: string; readonly registries: readonly string[] }[];
}

export interface RemoteFacts {
  readonly url: string;
  readonly uses: readonly ('from' | 'to')[];
  /** Absent: not asked. */
  readonly reached?: boolean;
  readonly ms?: number;
  readonly capabilities?: CacheCapabilities;
}

export interface RegistryFacts extends Readonly<RegistryVisit> {
  /** What was named on the command line. */
  readonly name: string;
  readonly registry: string;
  readonly role: 'registry' | 'mirror';
  /** Absent: not asked. */
  readonly reached?: boolean;
  /** A proxy connects for us. */
  readonly proxied: boolean;
  /** Absent: none were found. */
  readonly credentials?: {
    /** `--username`, `CLIPCTL_PASSWORD`, a file, or `docker-credential-NAME`. */
    readonly origin: string;
    readonly kind: 'password' | 'identity-token' | 'registry-token';
  };
}

export interface DoctorResult {
  /** No check is a problem. */
  readonly ok: boolean;
  readonly version: string;
  readonly system: SystemFacts;
  readonly settings: readonly SettingFact[];
  readonly configFile: { readonly path?: string; readonly exists: boolean; readonly unknownKeys: readonly string[] };
  readonly cache: CacheFacts;
  readonly engines: EngineFacts;
  readonly network: NetworkFacts;
  readonly credentialFiles: readonly CredentialPlace[];
  readonly remotes: readonly RemoteFacts[];
  readonly registries: readonly RegistryFacts[];
  readonly checks: readonly DoctorCheck[];
  readonly durationMs: number;
  readonly warnings: readonly string[];
}

/** Failures that say nothing of what was examined: the run itself ends with them. */
const ENDS_THE_RUN: ReadonlySet<ErrorClass> = new Set(['internal', 'aborted']);

/** A failure as a check. @throws the failure itself when it is a bug or an abort */
export function failedCheck(error: unknown, about: Pick<DoctorCheck, 'area'> & Partial<DoctorCheck>): DoctorCheck {
  const code = errorCodeOf(error);
  if (ENDS_THE_RUN.has(errorClassOf(code))) throw error;
  const known = error instanceof ClipctlError ? error : undefined;
  const hint = known?.hint === undefined ? {} : { hint: known.hint };
  return { status: 'problem', message: known?.message ?? code, code, ...hint, ...about };
}

/** What the problems come to: the one class there is, else a mixture; undefined when there is none. */
export function failureOfChecks(checks: readonly DoctorCheck[]): ErrorCode | undefined {
  const codes = checks.flatMap(({ status, code }) => (status === 'problem' && code !== undefined ? [code] : []));
  const classes = new Set(codes.map(errorClassOf));
  return classes.size > 1 ? 'PARTIAL_FAILURE' : codes[0];
}
