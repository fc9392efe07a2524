/** The `auths` of docker's and podman's configuration files (containers-auth.json(5)). */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ClipctlError } from '../errors.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { parseStrictJson } from '../oci/strict-json.ts';
import type { CredentialProvider, Credentials } from './credentials.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const MAX_CONFIG_BYTES = 1024 * 1024;

/** The files that are looked at, first one first. A file that is not there is skipped. */
export function authFilePaths(environment: Environment): readonly string[] {
  const home = environment['HOME'] ?? homedir();
  const { REGISTRY_AUTH_FILE: file, XDG_RUNTIME_DIR: runtime, DOCKER_CONFIG: docker } = environment;
  const paths = [
    file,
    runtime === undefined || runtime === '' ? undefined : join(runtime, 'containers', 'auth.json'),
    join(docker === undefined || docker === '' ? join(home, '.docker') : docker, 'config.json'),
    join(home, '.docker', 'config.json'),
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
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw new ClipctlError('CONFIG_INVALID', `cannot read the registry credentials in ${path}: ${String(code)}`, {
      cause: error,
    });
  }
  if (bytes.byteLength === 0) return undefined;
  const options = { what: path, code: 'CONFIG_INVALID', maxBytes: MAX_CONFIG_BYTES } as const;
  return new FieldReader(parseStrictJson(bytes, options), options).optionalChild('auths');
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
