/** One configuration file of docker or podman (containers-auth.json(5)): its `auths`, and who else is to be asked. */
import { devNull } from 'node:os';
import { ClipctlError } from '../errors.ts';
import { FieldReader } from '../oci/json-fields.ts';
import { parseStrictJson, tooLarge } from '../oci/strict-json.ts';
import { isMissing, openRegular, readOpened } from '../regular-file.ts';
import type { Credentials } from './credentials.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;
/** What docker calls Docker Hub, in its files and to its helpers. */
const DOCKER_HUB_ADDRESS = 'https://index.docker.io/v1/';

/** A file that was read; every question is about `registry/repository`, docker.io written out. */
export interface AuthFile {
  readonly path: string;
  /** What `auths` has entries for, as it is written there. */
  readonly registries: readonly string[];
  /** Helpers that the file names: for one registry, or for all. */
  readonly helpers: readonly { readonly helper: string; readonly registry?: string }[];
  /** The helper for the registry (`credHelpers`), else the one for all (`credsStore`). */
  helperFor(name: string): { readonly helper: string; readonly serverAddress: string } | undefined;
  /** The entry of `auths` with the longest prefix of the name. @throws ClipctlError CONFIG_INVALID */
  entryFor(name: string): Credentials | undefined;
}

/**
 * @returns undefined when there is no such file, or nothing in it
 * @throws ClipctlError CONFIG_INVALID for a file that cannot be understood; its content is never quoted
 */
export async function readAuthFile(path: string): Promise<AuthFile | undefined> {
  const options = { what: path, code: 'CONFIG_INVALID', maxBytes: MAX_CONFIG_BYTES } as const;
  const bytes = await readBytes(path, options);
  if (bytes === undefined || bytes.byteLength === 0) return undefined;
  const document = new FieldReader(parseStrictJson(bytes, options), options);
  return {
    path,
    registries: document.keys('auths'),
    helpers: helpersOf(document),
    helperFor: (name) => helperFor(document, name),
    entryFor: (name) => entryFor(document.optionalChild('auths'), name),
  };
}

async function readBytes(path: string, limit: Parameters<typeof tooLarge>[0]): Promise<Buffer | undefined> {
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

function helpersOf(document: FieldReader): AuthFile['helpers'] {
  const store = document.optionalString('credsStore') ?? '';
  const own = [...document.stringMap('credHelpers')].map(([registry, helper]) => ({ helper, registry }));
  return [...own, ...(store === '' ? [] : [{ helper: store }])];
}

function helperFor(document: FieldReader, name: string): { helper: string; serverAddress: string } | undefined {
  const host = hostOf(name);
  const serverAddress = host === 'docker.io' ? DOCKER_HUB_ADDRESS : host;
  const own = [...document.stringMap('credHelpers')].find(([key]) => normalKey(key) === host)?.[1];
  const helper = own ?? document.optionalString('credsStore');
  return helper === undefined || helper === '' ? undefined : { helper, serverAddress };
}

function hostOf(name: string): string {
  return name.split('/', 1)[0] ?? name;
}

function entryFor(auths: FieldReader | undefined, name: string): Credentials | undefined {
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

/**
 * `auth` is base64 of `user:password`; podman and docker also write the two apart. An identity token goes before both, and
 * a registry token, which needs no token server, before that.
 */
function readEntry(entry: FieldReader): Credentials | undefined {
  const registryToken = entry.optionalString('registrytoken') ?? '';
  // What is put into a header must not be able to start another one.
  if (/[^\x21-\x7e]/.test(registryToken)) throw entry.error('registrytoken', 'is no token');
  if (registryToken !== '') return { registryToken };
  const identityToken = entry.optionalString('identitytoken') ?? '';
  if (identityToken !== '') return { identityToken };
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
