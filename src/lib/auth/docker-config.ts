/** Credentials as docker and podman keep them: their configuration files, credential helpers and stores, in their order. */
import { join } from 'node:path';
import { absolute, homeOf } from '../home-directory.ts';
import { readAuthFile, type AuthFile } from './auth-file.ts';
import { askCredentialProgram } from './credential-program.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Credentials, and where they were found: that may be shown. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** A path, or `docker-credential-NAME`. */
  readonly origin: string;
}

/**
 * The files that are looked at, first one first. A file that is not there is skipped. A relative directory would be one
 * of the working directory, which nobody asked to be looked at; only REGISTRY_AUTH_FILE names a file as a flag would.
 */
export function authFilePaths(environment: Environment): readonly string[] {
  const home = homeOf(environment);
  const runtime = absolute(environment['XDG_RUNTIME_DIR']);
  const docker = absolute(environment['DOCKER_CONFIG']);
  const paths = [
    environment['REGISTRY_AUTH_FILE'],
    runtime === undefined ? undefined : join(runtime, 'containers', 'auth.json'),
    home === undefined ? undefined : join(home, '.config', 'containers', 'auth.json'),
    docker === undefined ? undefined : join(docker, 'config.json'),
    home === undefined ? undefined : join(home, '.docker', 'config.json'),
  ];
  return [...new Set(paths.filter((path): path is string => path !== undefined && path !== ''))];
}

export interface LookupOptions {
  /** Hears of what was passed over, such as a helper that is not installed. */
  readonly onNotice?: (message: string) => void;
}

export interface ProviderOptions extends LookupOptions {
  /** Hears once a name where its credentials come from; undefined: there are none, and the registry is asked anonymously. */
  readonly onFound?: (name: string, origin: string | undefined) => void;
}

/**
 * The first file that has something for the name wins; in it a helper goes before an entry. A helper that is not
 * installed is passed over: configurations are copied to machines that lack it.
 * @throws ClipctlError CONFIG_INVALID, CREDENTIAL_HELPER_FAILED; no secret is in them
 */
export async function findCredentials(
  environment: Environment,
  name: string,
  options: LookupOptions = {},
): Promise<FoundCredentials | undefined> {
  for (const path of authFilePaths(environment)) {
    const file = await readAuthFile(path);
    const found = file === undefined ? undefined : await findInFile(file, name, { ...options, environment });
    if (found !== undefined) return found;
  }
  return undefined;
}

async function findInFile(
  file: AuthFile,
  name: string,
  { environment, onNotice }: LookupOptions & { readonly environment: Environment },
): Promise<FoundCredentials | undefined> {
  const helper = file.helperFor(name);
  if (helper !== undefined) {
    const answer = await askCredentialProgram({ ...helper, environment });
    if (answer === 'missing') onNotice?.(`${file.path} names docker-credential-${helper.helper}, which is not installed`);
    else if (answer !== undefined) return { credentials: answer, origin: `docker-credential-${helper.helper}` };
  }
  const entry = file.entryFor(name);
  return entry === undefined ? undefined : { credentials: entry, origin: file.path };
}

/** Looks each name up once; `fresh` asks again, since what a helper hands out may have a short life. */
export function dockerConfigCredentials(environment: Environment, options: ProviderOptions = {}): CredentialProvider {
  const known = new Map<string, Promise<FoundCredentials | undefined>>();
  return async (name, { fresh = false } = {}) => {
    const isFirst = !known.has(name);
    const looking = (fresh ? undefined : known.get(name)) ?? findCredentials(environment, name, options);
    known.set(name, looking);
    const found = await looking;
    if (isFirst) options.onFound?.(name, found?.origin);
    return found?.credentials;
  };
}
