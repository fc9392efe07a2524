/** `--mirror HOST=URL`: where else the repositories of a registry stand. */
import { ClipctlError } from '../errors.ts';
import { isHostAndPort } from '../oci/reference.ts';

export interface Mirror {
  /** `host[:port]` of the registry that it stands for. */
  readonly registry: string;
  /** Scheme, host and path before `/v2/` of nothing: the path goes before the repository. */
  readonly url: URL;
}

/** @throws ClipctlError USAGE; the URL is not quoted, since it may hold a password */
export function parseMirror(text: string): Mirror {
  const equals = text.indexOf('=');
  const host = text.slice(0, Math.max(0, equals)).toLowerCase();
  const address = text.slice(equals + 1);
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const isUsable = (url?.protocol === 'https:' || url?.protocol === 'http:') && url.search === '' && url.hash === '';
  if (text.length <= 2048 && isHostAndPort(host) && url !== undefined && isUsable && url.username + url.password === '')
    return { registry: host === 'index.docker.io' ? 'docker.io' : host, url };
  throw new ClipctlError('USAGE', '--mirror: expected HOST=URL, like docker.io=https://mirror.example/hub', {
    hint: 'Logins of mirrors come from the docker config file, as those of registries do, never from the URL.',
  });
}

/** `library/alpine` below the path of a mirror. */
export function repositoryAt({ url }: Mirror, repository: string): string {
  const prefix = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  return prefix === '' ? repository : `${prefix}/${repository}`;
}
