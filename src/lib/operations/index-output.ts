import { basename, resolve } from 'node:path';
import { shortDigest } from '../oci/digest.ts';
import { parseReference } from '../oci/reference.ts';
import type { ResolvedImage } from '../source/image-source.ts';

/**
 * Where the indexes go: as asked, else `<last repository component>-<tag or 12 hex>.clip` in the working directory. Several
 * platforms get `.<os>-<arch>[-<variant>]` before `.clip` (CLI.md, `index`); those that look the same by that, as builds
 * of Windows do, their os.version too, and at last the start of their manifest's digest.
 */
export function outputPaths(request: { image: string; output?: string }, images: readonly ResolvedImage[]): string[] {
  const [only] = images;
  if (images.length === 1 && only !== undefined) return [request.output ?? `${imageName(request.image, only)}.clip`];
  const suffixes = images.map(platformSuffix);
  const versions = distinguish(suffixes, (at) => images[at]?.platform.osVersion);
  const unique = distinguish(versions, (at) => images[at] && shortDigest(images[at].manifestDigest));
  return images.map((image, at) => {
    const path = request.output ?? `${imageName(request.image, image)}.clip`;
    const base = path.endsWith('.clip') ? path.slice(0, -'.clip'.length) : path;
    return `${base}.${unique[at]}.clip`;
  });
}

function platformSuffix({ platform: { os, architecture, variant } }: ResolvedImage): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('-');
}

/** Adds what tells them apart to those that occur more than once. */
function distinguish(names: readonly string[], more: (at: number) => string | undefined): string[] {
  return names.map((name, at) => {
    const added = names.filter((other) => other === name).length > 1 ? more(at) : undefined;
    return added === undefined ? name : `${name}-${added}`;
  });
}

function imageName(name: string, image: ResolvedImage): string {
  if (image.origin !== undefined) {
    const component = image.origin.repository.split('/').at(-1) ?? 'image';
    return `${component}-${image.origin.tag ?? shortDigest(image.manifestDigest)}`;
  }
  if (name.startsWith('docker-archive:')) return archiveName(name.slice('docker-archive:'.length), image);
  const { path, tag } = splitLayoutName(name);
  const base = path === '-' ? 'image' : basename(resolve(path)).replace(/\.(?:tar|tar\.gz|tgz)$/, '');
  return `${base || 'image'}-${tag ?? shortDigest(image.manifestDigest)}`;
}

/** An image of an archive is named as in a registry where its reference is given, else after the file. */
function archiveName(name: string, image: ResolvedImage): string {
  const colon = name.indexOf(':');
  if (colon < 0) {
    const file = name === '-' ? 'image' : basename(name).replace(/\.(?:tar|tar\.gz|tgz)$/, '');
    return `${file || 'image'}-${shortDigest(image.manifestDigest)}`;
  }
  const { repository, tag } = parseReference(name.slice(colon + 1));
  return `${repository.split('/').at(-1) ?? 'image'}-${tag ?? shortDigest(image.manifestDigest)}`;
}

/** `oci:DIR[:TAG]`, `oci:DIR@DIGEST` and the same of an archive; a colon counts as a tag only in the last path component. */
function splitLayoutName(name: string): { path: string; tag?: string } {
  const path = name.replace(/^[a-z-]+:/, '');
  const at = path.indexOf('@');
  if (at >= 0) return { path: path.slice(0, at) };
  const colon = path.indexOf(':', path.lastIndexOf('/') + 1);
  return colon < 0 ? { path } : { path: path.slice(0, colon), tag: path.slice(colon + 1) };
}
