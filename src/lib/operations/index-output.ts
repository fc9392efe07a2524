import { basename, resolve } from 'node:path';
import { shortDigest } from '../oci/digest.ts';
import type { ResolvedImage } from '../source/image-source.ts';

/**
 * Where the index of one platform goes: as asked, else `<last repository component>-<tag or 12 hex>.clip` in the working
 * directory. Several platforms get `.<os>-<arch>[-<variant>]` before `.clip` (CLI.md, `index`).
 */
export function outputPath(request: { image: string; output?: string }, image: ResolvedImage, several: boolean): string {
  const path = request.output ?? `${imageName(request.image, image)}.clip`;
  if (!several) return path;
  const { os, architecture, variant } = image.platform;
  const suffix = [os, architecture, ...(variant === undefined ? [] : [variant])].join('-');
  return path.endsWith('.clip') ? `${path.slice(0, -'.clip'.length)}.${suffix}.clip` : `${path}.${suffix}.clip`;
}

function imageName(name: string, image: ResolvedImage): string {
  if (image.origin !== undefined) {
    const component = image.origin.repository.split('/').at(-1) ?? 'image';
    return `${component}-${image.origin.tag ?? shortDigest(image.manifestDigest)}`;
  }
  const { path, tag } = splitLayoutName(name);
  return `${basename(resolve(path)) || 'image'}-${tag ?? shortDigest(image.manifestDigest)}`;
}

/** `oci:DIR[:TAG]` and `oci:DIR@DIGEST`; a colon counts as a tag only in the last path component. */
function splitLayoutName(name: string): { path: string; tag?: string } {
  const path = name.replace(/^[a-z-]+:/, '');
  const at = path.indexOf('@');
  if (at >= 0) return { path: path.slice(0, at) };
  const colon = path.indexOf(':', path.lastIndexOf('/') + 1);
  return colon < 0 ? { path } : { path: path.slice(0, colon), tag: path.slice(colon + 1) };
}
