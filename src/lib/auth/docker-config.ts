/** The `auths` of docker's and podman's configuration files (containers-auth.json(5)). */
import { devNull } from 'node:os';
import { join } from 'node:path';
import { ClipctlError } from '../errors.ts';
import { absolute, homeOf } from '../home-directory.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { parseStrictJson, tooLarge } from '../oci/strict-json.ts';
import { isMissing, openRegular, readOpened } from '../regular-file.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_CONFIG_BYTES = 1024 * 1024;

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
    docker === undefined ? undefined : join(docker, 'config.json'),
    home === undefined ? undefined : join(home, '.docker', 'config.json'),
  ];
  return [...new Set(paths.filter((path): path is string => path !== undefined && path !== ''))];
}

/**
 * Credentials out of those files: the first file that has an entry wins, in it the longest prefix of the name.
 * @throws ClipctlError CONFIG_INVALID for a file that cannot be understood; its content is never quoted
 */
export function dockerConfigCredentials(environment: Environment): CredentialProvider {
  return async (name) => {
    for (const path of authFilePaths(environment)) {
      const found = findEntry(await readAuths(path), name);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

async function readAuths(path: string): Promise<FieldReader | undefined> {
  const options = { what: path, code: 'CONFIG_INVALID', maxBytes: MAX_CONFIG_BYTES } as const;
  const bytes = await readAuthFile(path, options);
  if (bytes === undefined || bytes.byteLength === 0) return undefined;
  return new FieldReader(parseStrictJson(bytes, options), options).optionalChild('auths');
}

async function readAuthFile(path: string, limit: Parameters<typeof tooLarge>[0]): Promise<Buffer | undefined> {
  // `REGISTRY_AUTH_FILE=/dev/null` is how to say: no credentials.
  if (path === devNull) return undefined;
  try {
    const file = await openRegular(path);
    if (file === 'other') throw new ClipctlError('CONFIG_INVALID', `${path}: not a regular file`, { details: { path } });
    if (file.sizeBytes <= limit.maxBytes) return await readOpened(file);
    await file.handle.close();
    throw tooLarge(limit, file.sizeBytes);
  } catch (error) {
    if (isMissing(error)) return undefined;
    if (error instanceof ClipctlError) throw error;
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    throw new ClipctlError('CONFIG_INVALID', `cannot read the registry credentials in ${path}: ${String(code)}`, {
      cause: error,
    });
  }
}

function findEntry(auths: FieldReader | undefined, name: string): Credentials | undefined {
  if (auths === undefined) return undefined;
  let best: { key: string; length: number } | undefined;
  for (const key of auths.object.keys()) {
    const prefix = normalKey(key);
    const isPrefix = name === prefix || name.startsWith(`${prefix}/`);
    if (isPrefix && prefix.length > (best?.length ?? -1)) best = { key, length: prefix.length };
  }
  return best === undefined ? undefined : readEntry(auths.child(best.key));
}

/** `https://index.docker.io/v1/` and friends → `docker.io`; no scheme, no slash at the end. */
function normalKey(key: string): string {
  const bare = key.replace(/^https?:\/\//, '').replace(/\/+$/, '');
  const isDockerHub = /^(?:index\.docker\.io|registry-1\.docker\.io|docker\.io)(?:\/v[12])?$/.test(bare);
  if (isDockerHub) return 'docker.io';
  return /^https?:/.test(key) ? (bare.split('/', 1)[0] ?? bare) : bare;
}

/** `auth` is base64 of `user:password`; podman and docker also write the two apart. An identity token is not read yet. */
function readEntry(entry: FieldReader): Credentials | undefined {
  const auth = entry.optionalString('auth') ?? '';
  if (auth !== '') {
    const decoded = Buffer.from(auth, 'base64').toString('utf8');
    const colon = decoded.indexOf(':');
    if (colon <= 0) throw entry.error('auth', 'is not base64 of user:password');
    // Docker pads some values with NUL.
    return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
  }
  const username = entry.optionalString('username') ?? '';
  const password = entry.optionalString('password') ?? '';
  return username === '' ? undefined : { username, password };
}
