/** Flag values as operations want them: platforms, digests, remotes. */
import { ClipctlError } from '../lib/errors.ts';
import { isDigest, type Digest } from '../lib/oci/digest.ts';
import { parsePlatform, type Platform } from '../lib/oci/platform.ts';
import type { FlagValues } from './flag-values.ts';
import { configuredRemotes } from './settings.ts';

/** @throws ClipctlError PLATFORM_INVALID */
export function platformRequest(values: FlagValues): { readonly platform?: Platform } {
  const text = values.text('platform');
  return text === undefined ? {} : { platform: parsePlatform(text) };
}

/** @throws ClipctlError PLATFORM_INVALID */
export function platformsRequest(values: FlagValues): readonly Platform[] {
  return (values.texts('platform') ?? []).map((text) => parsePlatform(text));
}

/** `--layer`: whole digests. @throws ClipctlError USAGE */
export function layersRequest(values: FlagValues): readonly Digest[] {
  return (values.texts('layer') ?? []).map((text) => {
    if (isDigest(text)) return text;
    throw new ClipctlError('USAGE', `--layer: expected sha256: and 64 hex digits, got ${JSON.stringify(text.slice(0, 100))}`, {
      hint: 'clipctl inspect --layers prints the digests of all layers.',
    });
  });
}

/** `--from`, or the remotes of the config file that may be read. */
export function fromRequest(values: FlagValues): readonly string[] {
  return values.texts('from') ?? configuredRemotes(values.config).from;
}

/** `--to`, or the remotes of the config file that may be written. */
export function toRequest(values: FlagValues): readonly string[] {
  return values.texts('to') ?? configuredRemotes(values.config).to;
}

/** The images of a command that takes many. */
export function imagesRequest(args: Readonly<Record<string, unknown>>): readonly string[] {
  const images = args['image'];
  return Array.isArray(images) ? images.map(String) : [];
}
