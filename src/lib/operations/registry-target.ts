/** Which registry a name means: a host, an image in it, or the registry that an index remembers. */
import { decodeClip } from '../clip/decode-clip.ts';
import { ClipctlError } from '../errors.ts';
import { isHostAndPort, parseReference } from '../oci/reference.ts';
import { isClipName, readClip } from './open-image.ts';

export interface RegistryTarget {
  /** As it was named. */
  readonly name: string;
  /** `host[:port]` */
  readonly registry: string;
  /** A repository, and a tag or digest in it. */
  readonly image?: { readonly repository: string; readonly name: string };
}

/** @throws ClipctlError USAGE for what lies in a file, REFERENCE_INVALID, FILE_NOT_FOUND, CLIP_INVALID */
export async function registryTarget(name: string): Promise<RegistryTarget> {
  const host = hostIn(name);
  if (host !== undefined) return { name, registry: host };
  if (/^(?:oci|oci-archive|docker-archive):/.test(name)) throw noRegistry(name, 'lies in files');
  const { registry, repository, tag, digest } = parseReference(await referenceIn(name));
  return { name, registry, image: { repository, name: digest ?? tag ?? 'latest' } };
}

/** `ghcr.io`, `localhost:5000`, `[::1]:5000`; with a slash at the end anything that can be a host. */
function hostIn(name: string): string | undefined {
  const text = name.replace(/^docker:\/\//, '').toLowerCase();
  const host = text.replace(/\/$/, '');
  if (!isHostAndPort(host)) return undefined;
  const bare = host.replace(/:\d{1,5}$/, '');
  const isHost = text.endsWith('/') || bare.includes('.') || bare === 'localhost' || bare.startsWith('[');
  if (!isHost || name.endsWith('.clip')) return undefined;
  return host === 'index.docker.io' ? 'docker.io' : host;
}

async function referenceIn(name: string): Promise<string> {
  if (!isClipName(name)) return name.replace(/^docker:\/\//, '');
  const { registryUrl, repository, reference } = decodeClip(await readClip(name)).storageInfo;
  if (registryUrl === '' || repository === '') throw noRegistry(name, 'names no registry');
  return reference.includes(':') ? `${registryUrl}/${repository}@${reference}` : `${registryUrl}/${repository}:${reference}`;
}

function noRegistry(name: string, why: string): ClipctlError {
  return new ClipctlError('USAGE', `${name.slice(0, 200)} ${why}: there is no registry to look at`, {
    hint: 'Name a host, like ghcr.io, or an image in a registry.',
  });
}
