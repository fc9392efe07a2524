/** From what the user typed to the source of an image: the one file that knows all of them. */
import { tmpdir } from 'node:os';
import type { CredentialProvider, PasswordCredentials } from '../auth/credentials.ts';
import { dockerConfigCredentials } from '../auth/docker-config.ts';
import { DEFAULT_LIMITS } from '../compression/limits.ts';
import { ClipctlError } from '../errors.ts';
import { createDispatcher, type Dispatcher } from '../http/dispatcher.ts';
import type { Clock } from '../http/clock.ts';
import { createHttpClient } from '../http/http-client.ts';
import type { ParallelOptions } from '../http/parallel-body.ts';
import type { RetryPolicy } from '../http/retry.ts';
import { isHostAndPort, parseReference } from '../oci/reference.ts';
import { parseArchiveName } from './archive/archive-name.ts';
import { openArchiveStore, type ArchiveStoreOptions } from './archive/archive-store.ts';
import { openDockerArchive } from './archive/docker-archive.ts';
import { openDirectoryStore } from './directory-store.ts';
import type { DocumentStore, ImageSource } from './image-source.ts';
import { parseLayoutName } from './layout-name.ts';
import { openLayoutSource } from './oci-layout.ts';
import { parseMirror } from './mirrors.ts';
import { openRegistrySource } from './registry.ts';

/** What a session says about sources; `SessionOptions` has these fields. */
export interface OpenSourceOptions {
  readonly timeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  readonly allowForeign: boolean;
  readonly insecureRegistries: readonly string[];
  readonly credentials?: GivenCredentials | undefined;
  readonly onRetry?: RetryPolicy['onRetry'];
  /** Connections to share between sources (http/dispatcher.ts), closed by who made them; default: the source's own. */
  readonly dispatcher?: Dispatcher;
  /** How long blobs are read over several connections; default: over one. */
  readonly parallel?: ParallelOptions;
  /** `HOST=URL`: asked before the registry HOST, in order. */
  readonly mirrors?: readonly string[] | undefined;
  /** Hears of the order of mirrors, and of those passed over. */
  readonly onMirror?: (message: string) => void;
  /** Hears that a registry is spoken to without TLS, and why. */
  readonly onPlainHttp?: (message: string) => void;
  /** Hears where credentials come from, or that there are none. */
  readonly onLogin?: ((message: string) => void) | undefined;
  /** Manifests and configs of earlier runs; default: none. */
  readonly documents?: DocumentStore | undefined;
  /** For tests: the clock of waits between tries. */
  readonly clock?: Clock;
  /** Where archives that cannot be read in place are copied to, and how large they may be; stdin is what `-` means. */
  readonly archives?: Partial<ArchiveStoreOptions>;
  /** Where configuration files are looked for; default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Of this run alone, and how the user gave them. */
type GivenCredentials = PasswordCredentials & { readonly origin?: string };

/** As long as so many timeouts nothing may come at all: 120 s of the 30 s of one (RELIABILITY §2 row 6). */
const STALLS_IN_A_ROW = 4;

const OCI_ARCHIVE = 'oci-archive:';
const DOCKER_ARCHIVE = 'docker-archive:';
const FORMS =
  'Known forms: REF, docker://REF, oci:DIR[:TAG], oci:DIR@DIGEST, oci-archive:FILE[:TAG], docker-archive:FILE[:REF], FILE.clip.';

/**
 * Parses a name and prepares its source; nothing is read or asked before the first call.
 * @throws ClipctlError USAGE for a form that is not supported, REFERENCE_INVALID, DIGEST_INVALID, UNSUPPORTED_DIGEST
 */
export function openImageSource(name: string, options: OpenSourceOptions): ImageSource {
  const { allowForeign } = options;
  if (name.startsWith('oci:')) {
    const layout = parseLayoutName(name.slice('oci:'.length));
    return openLayoutSource(layout, { kind: 'layout', store: openDirectoryStore(layout.directory), allowForeign });
  }
  if (name.startsWith(OCI_ARCHIVE)) return openOciArchive(name, options);
  if (name.startsWith(DOCKER_ARCHIVE)) {
    const { path, image } = parseArchiveName(name.slice(DOCKER_ARCHIVE.length));
    return openDockerArchive({ store: openArchiveStore(path, archiveOptions(options)), text: name, image, allowForeign });
  }
  return openRegistry(name.startsWith('docker://') ? name.slice('docker://'.length) : name, options);
}

function openOciArchive(name: string, options: OpenSourceOptions): ImageSource {
  const layout = parseLayoutName(name.slice(OCI_ARCHIVE.length));
  const store = openArchiveStore(layout.directory, archiveOptions(options));
  return openLayoutSource({ ...layout, text: name }, { kind: 'archive', store, allowForeign: options.allowForeign });
}

function archiveOptions({ archives }: OpenSourceOptions): ArchiveStoreOptions {
  const { spoolDirectory = tmpdir(), maxBytes = DEFAULT_LIMITS.maxLayerBytes, stdin = process.stdin } = archives ?? {};
  return { ...archives, spoolDirectory, maxBytes, stdin };
}

function openRegistry(text: string, options: OpenSourceOptions): ImageSource {
  if (/^[a-z][a-z0-9+.-]{0,31}:\/\//i.test(text)) {
    throw new ClipctlError('USAGE', 'this kind of address names no image', { hint: FORMS });
  }
  const { timeoutMs, retries, onRetry, clock, allowForeign } = options;
  const reference = parseReference(text);
  const insecureRegistries = options.insecureRegistries.map(normalHost);
  const dispatcher =
    options.dispatcher ?? createDispatcher({ timeoutMs, insecureHosts: insecureRegistries, ...(clock && { clock }) });
  return openRegistrySource(text, reference, {
    http: createHttpClient(dispatcher, dispatcher.gates),
    closeConnections: options.dispatcher === undefined ? () => dispatcher.close() : async () => undefined,
    policy: { retries, noProgressMs: STALLS_IN_A_ROW * timeoutMs, ...(onRetry && { onRetry }), ...clock },
    credentials: credentialsOf(options),
    insecureRegistries,
    allowForeign,
    parallel: options.parallel,
    documents: options.documents,
    mirrors: options.mirrors?.map(parseMirror),
    mirrorCredentials: storedCredentials(options),
    onMirror: options.onMirror,
    onPlainHttp: options.onPlainHttp,
  });
}

function normalHost(host: string): string {
  const lower = host.toLowerCase();
  if (isHostAndPort(lower)) return lower;
  throw new ClipctlError('USAGE', `--insecure-registry: ${JSON.stringify(host.slice(0, 200))} is no host[:port]`);
}

/** What was given for this run goes before what stands in files. */
export function credentialsOf(options: LoginOptions & Pick<OpenSourceOptions, 'credentials'>): CredentialProvider {
  const { credentials, onLogin } = options;
  if (credentials === undefined) return storedCredentials(options);
  const said = new Set<string>();
  return async (name) => {
    if (!said.has(name)) onLogin?.(`${name}: credentials from ${credentials.origin ?? '--username'}`);
    said.add(name);
    return credentials;
  };
}

type LoginOptions = Pick<OpenSourceOptions, 'environment' | 'onLogin'>;

function storedCredentials({ environment, onLogin = () => undefined }: LoginOptions): CredentialProvider {
  return dockerConfigCredentials(environment ?? process.env, {
    onNotice: onLogin,
    onFound: (name, origin) =>
      onLogin(`${name}: ${origin === undefined ? 'no credentials found, asked anonymously' : `credentials from ${origin}`}`),
  });
}
