/** From what the user typed to the source of an image: the one file that knows all of them. */
import type { CredentialProvider, PasswordCredentials } from '../auth/credentials.ts';
import { dockerConfigCredentials } from '../auth/docker-config.ts';
import { ClipctlError } from '../errors.ts';
import { createDispatcher, type Dispatcher } from '../http/dispatcher.ts';
import { createHttpClient } from '../http/http-client.ts';
import type { RetryPolicy } from '../http/retry.ts';
import { isHostAndPort, parseReference } from '../oci/reference.ts';
import type { ImageSource } from './image-source.ts';
import { parseLayoutName } from './layout-name.ts';
import { openLayoutSource } from './oci-layout.ts';
import { openRegistrySource } from './registry.ts';

/** What a session says about sources; `SessionOptions` has these fields. */
export interface OpenSourceOptions {
  readonly timeoutMs: number;
  /** Tries after the first. */
  readonly retries: number;
  readonly allowForeign: boolean;
  readonly insecureRegistries: readonly string[];
  readonly credentials?: PasswordCredentials | undefined;
  readonly onRetry?: RetryPolicy['onRetry'];
  /** Connections to share between sources (http/dispatcher.ts), closed by who made them; default: the source's own. */
  readonly dispatcher?: Dispatcher;
  /** For tests: how to wait between tries. */
  readonly sleep?: RetryPolicy['sleep'];
  /** Where configuration files are looked for; default: the process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

const LATER_SCHEMES = ['oci-archive:', 'docker-archive:'];
const FORMS = 'Known forms: REF, docker://REF, oci:DIR[:TAG], oci:DIR@DIGEST.';

/**
 * Parses a name and prepares its source; nothing is read or asked before the first call.
 * @throws ClipctlError USAGE for a form that is not supported, REFERENCE_INVALID, DIGEST_INVALID, UNSUPPORTED_DIGEST
 */
export function openImageSource(name: string, options: OpenSourceOptions): ImageSource {
  const later = LATER_SCHEMES.find((scheme) => name.startsWith(scheme));
  if (later !== undefined) throw new ClipctlError('USAGE', `${later} is not supported by this version`, { hint: FORMS });
  if (name.startsWith('oci:')) return openLayoutSource(parseLayoutName(name.slice('oci:'.length)), options);
  return openRegistry(name.startsWith('docker://') ? name.slice('docker://'.length) : name, options);
}

function openRegistry(text: string, options: OpenSourceOptions): ImageSource {
  if (/^[a-z][a-z0-9+.-]{0,31}:\/\//i.test(text)) {
    throw new ClipctlError('USAGE', 'this kind of address names no image', { hint: FORMS });
  }
  const { timeoutMs, retries, onRetry, sleep, allowForeign } = options;
  const reference = parseReference(text);
  const insecureRegistries = options.insecureRegistries.map(normalHost);
  const dispatcher = options.dispatcher ?? createDispatcher({ timeoutMs, insecureHosts: insecureRegistries });
  return openRegistrySource(text, reference, {
    http: createHttpClient(dispatcher),
    closeConnections: options.dispatcher === undefined ? () => dispatcher.close() : async () => undefined,
    policy: { retries, ...(onRetry === undefined ? {} : { onRetry }), ...(sleep === undefined ? {} : { sleep }) },
    credentials: credentialsOf(options),
    insecureRegistries,
    allowForeign,
  });
}

function normalHost(host: string): string {
  const lower = host.toLowerCase();
  if (isHostAndPort(lower)) return lower;
  throw new ClipctlError('USAGE', `--insecure-registry: ${JSON.stringify(host.slice(0, 200))} is no host[:port]`);
}

/** What was typed for this run goes before what stands in files. */
export function credentialsOf({
  credentials,
  environment,
}: Pick<OpenSourceOptions, 'credentials' | 'environment'>): CredentialProvider {
  if (credentials !== undefined) return async () => credentials;
  return dockerConfigCredentials(environment ?? process.env);
}
