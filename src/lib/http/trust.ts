/**
 * Whom we trust over TLS, and who we say we are: the system's authorities, `--ca-file`, SSL_CERT_FILE, and the files that
 * docker and podman keep for a registry in certs.d (`HOST/*.crt`, `*.cert` with `*.key`).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { ClipctlError } from '../errors.ts';
import { absolute, homeOf } from '../home-directory.ts';

export interface TrustOptions {
  /** `--ca-file`: PEM, trusted besides the others. */
  readonly caFile?: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** For tests: where certs.d directories lie; default: docker's and podman's. */
  readonly certsDirectories?: readonly string[];
}

/** For `tls.connect`; nothing in it = node's own trust (which has NODE_EXTRA_CA_CERTS). */
export interface TlsTrust {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

const MAX_PEM_BYTES = 4 * 1024 * 1024;
const MAX_FILES = 100;

/**
 * Reads what counts for one server, once for each: a few small files, so no promise is worth it.
 * @param host `host[:port]`
 * @throws ClipctlError CONFIG_INVALID for a file that was named and cannot be read
 */
export function trustOf(host: string, options: TrustOptions): TlsTrust {
  const bundle = options.environment['SSL_CERT_FILE'] ?? '';
  const base = bundle === '' ? undefined : [readPem(bundle, 'SSL_CERT_FILE')];
  const own = options.caFile === undefined ? [] : [readPem(options.caFile, '--ca-file')];
  const files = certsOf(host, options);
  const added = [...own, ...files.authorities];
  const ca =
    base === undefined && added.length === 0 ? undefined : [...(base ?? rootCertificates), ...extraOf(options), ...added];
  return { ...(ca === undefined ? {} : { ca }), ...files.identity };
}

/** A list of authorities takes the place of node's own, and of what NODE_EXTRA_CA_CERTS had added to it. */
function extraOf({ environment }: TrustOptions): readonly string[] {
  const path = environment['NODE_EXTRA_CA_CERTS'] ?? '';
  return path === '' ? [] : [readPem(path, 'NODE_EXTRA_CA_CERTS')];
}

interface HostFiles {
  readonly authorities: readonly string[];
  readonly identity: Pick<TlsTrust, 'cert' | 'key'>;
}

function certsOf(host: string, { environment, certsDirectories }: TrustOptions): HostFiles {
  for (const parent of certsDirectories ?? certsDirectoriesOf(environment)) {
    const directory = join(parent, host);
    const names = listNames(directory);
    if (names === undefined) continue;
    const read = (name: string): string => readPem(join(directory, name), 'certs.d');
    const authorities = names.filter((name) => name.endsWith('.crt')).map(read);
    const certificate = names.find((name) => name.endsWith('.cert') && names.includes(`${name.slice(0, -'.cert'.length)}.key`));
    if (certificate === undefined) return { authorities, identity: {} };
    const key = read(`${certificate.slice(0, -'.cert'.length)}.key`);
    return { authorities, identity: { cert: read(certificate), key } };
  }
  return { authorities: [], identity: {} };
}

/** Where docker and podman keep files for a registry, whether they are there or not. */
export function certsDirectoriesOf(environment: TrustOptions['environment']): readonly string[] {
  const home = homeOf(environment);
  const config = absolute(environment['XDG_CONFIG_HOME']) ?? (home === undefined ? undefined : join(home, '.config'));
  const own = config === undefined ? [] : [join(config, 'containers', 'certs.d')];
  return [...own, '/etc/containers/certs.d', '/etc/docker/certs.d'];
}

/** undefined when there is no such directory, or it is not for us. */
function listNames(directory: string): readonly string[] | undefined {
  try {
    return readdirSync(directory).sort().slice(0, MAX_FILES);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return undefined;
    throw unreadable(directory, 'certs.d', error);
  }
}

function readPem(path: string, setting: string): string {
  let text: string;
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MAX_PEM_BYTES) throw unreadable(path, setting);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw error instanceof ClipctlError ? error : unreadable(path, setting, error);
  }
  if (!text.includes('-----BEGIN ')) throw unreadable(path, setting);
  return text;
}

function unreadable(path: string, setting: string, cause?: unknown): ClipctlError {
  return new ClipctlError('CONFIG_INVALID', `${setting}: ${path} is no readable PEM file`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path },
  });
}
