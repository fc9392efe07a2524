/** Where logins would come from: each file that is looked at, and the programs it names. Nothing secret is read out. */
import { access, constants } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { readAuthFile, type AuthFile } from './auth-file.ts';
import { authFilePaths } from './docker-config.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface CredentialPlace {
  readonly path: string;
  readonly exists: boolean;
  /** Hosts and repositories that it has an entry for, as written there. */
  readonly registries: readonly string[];
  /** `docker-credential-NAME`; of one registry, or of all. */
  readonly helpers: readonly { readonly name: string; readonly registry?: string; readonly installed: boolean }[];
}

/** A file that can't be understood stands beside its error. */
export interface ExaminedPlace {
  readonly place: CredentialPlace;
  readonly failure?: unknown;
}

/** The files of docker and podman, first one first. Asks no program. */
export function examineCredentialPlaces(environment: Environment): Promise<readonly ExaminedPlace[]> {
  return Promise.all(authFilePaths(environment).map((path) => examinePlace(path, environment)));
}

async function examinePlace(path: string, environment: Environment): Promise<ExaminedPlace> {
  const nothing = { path, registries: [], helpers: [] };
  try {
    const file = await readAuthFile(path);
    if (file === undefined) return { place: { ...nothing, exists: false } };
    const helpers = await Promise.all(file.helpers.map((named) => describeProgram(named, environment)));
    return { place: { path, exists: true, registries: file.registries, helpers } };
  } catch (failure) {
    return { place: { ...nothing, exists: true }, failure };
  }
}

async function describeProgram(
  { helper, registry }: AuthFile['helpers'][number],
  environment: Environment,
): Promise<CredentialPlace['helpers'][number]> {
  const name = `docker-credential-${helper}`;
  return { name, ...(registry === undefined ? {} : { registry }), installed: await isInstalled(name, environment) };
}

async function isInstalled(name: string, environment: Environment): Promise<boolean> {
  if (name.includes('/')) return false;
  const directories = (environment['PATH'] ?? '').split(delimiter).filter((directory) => directory !== '');
  for (const directory of directories) {
    const isThere = await access(join(directory, name), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return true;
  }
  return false;
}
