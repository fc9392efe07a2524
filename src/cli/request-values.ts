/** Flag values as operations want them: platforms, digests, remotes. */
import { ClipctlError } from '../lib/errors.ts';
import { isDigest, type Digest } from '../lib/oci/digest.ts';
import { parsePlatform, type Platform } from '../lib/oci/platform.ts';
import type { PlatformChoice } from '../lib/operations/open-images.ts';
import { redactText } from '../lib/redact.ts';
import type { FlagValues } from './flag-values.ts';
import { VERIFY_MODES } from './flags.ts';
import { configuredRemotes } from './settings.ts';

/** zstd levels: the default, and the highest that the zstd program gives without --ultra. */
const DEFAULT_LEVEL = 3;
const MAX_LEVEL = 19;

/** @throws ClipctlError PLATFORM_INVALID */
export function platformRequest(values: FlagValues): { readonly platform?: Platform } {
  const text = values.text('platform');
  return text === undefined ? {} : { platform: parsePlatform(text) };
}

/** @throws ClipctlError PLATFORM_INVALID */
export function platformsRequest(values: FlagValues): readonly Platform[] {
  return (values.texts('platform') ?? []).map((text) => parsePlatform(text));
}

/** `--platform`, many times, or `--all-platforms`. @throws ClipctlError PLATFORM_INVALID, USAGE for both */
export function platformChoice(values: FlagValues): PlatformChoice {
  const platforms = platformsRequest(values);
  const allPlatforms = values.toggle('all-platforms');
  if (allPlatforms && values.isGiven('platform')) throw new ClipctlError('USAGE', 'use --platform or --all-platforms, not both');
  return allPlatforms ? { allPlatforms } : { platforms };
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

/**
 * `--from`, or the remotes of the config file that may be read.
 * @throws ClipctlError USAGE when --from names a remote that the config file makes write-only
 */
export function fromRequest(values: FlagValues): readonly string[] {
  return allowedRemotes(values, { flag: 'from', forbidden: 'wo' }) ?? configuredRemotes(values.config).from;
}

/**
 * `--to`, or the remotes of the config file that may be written.
 * @throws ClipctlError USAGE when --to names a remote that the config file makes read-only
 */
export function toRequest(values: FlagValues): readonly string[] {
  return allowedRemotes(values, { flag: 'to', forbidden: 'ro' }) ?? configuredRemotes(values.config).to;
}

/** `--verify`. */
export function verifyRequest(values: FlagValues): (typeof VERIFY_MODES)[number] {
  return values.choice('verify', VERIFY_MODES) ?? values.config.verify ?? 'none';
}

/** `--compress none|zstd[:LEVEL]`. @throws ClipctlError USAGE */
export function compressRequest(values: FlagValues): { readonly compress?: { readonly level: number } } {
  const text = values.text('compress') ?? values.config.compress ?? 'none';
  if (text === 'none') return {};
  const match = /^zstd(?::(\d{1,2}))?$/.exec(text);
  const level = Number(match?.[1] ?? DEFAULT_LEVEL);
  if (match !== null && level >= 1 && level <= MAX_LEVEL) return { compress: { level } };
  throw new ClipctlError('USAGE', `--compress: expected none, zstd or zstd:LEVEL, got ${JSON.stringify(text.slice(0, 100))}`, {
    hint: `LEVEL is a number from 1 to ${MAX_LEVEL}; without it ${DEFAULT_LEVEL}.`,
  });
}

/** Remotes that the config file makes read-only. */
export function readOnlyRequest(values: FlagValues): readonly string[] {
  return (values.config.remotes ?? []).filter(({ mode }) => mode === 'ro').map(({ url }) => url);
}

function allowedRemotes(
  values: FlagValues,
  { flag, forbidden }: { readonly flag: 'from' | 'to'; readonly forbidden: 'ro' | 'wo' },
): readonly string[] | undefined {
  const urls = values.texts(flag);
  const refused = (values.config.remotes ?? []).find(({ url, mode }) => mode === forbidden && urls?.includes(url));
  if (refused === undefined) return urls;
  throw new ClipctlError(
    'USAGE',
    `--${flag} names ${redactText(refused.url)}, which has mode "${forbidden}" in the config file`,
    {
      hint: `"ro" is only read, "wo" only written. Change its mode there, or name another remote.`,
    },
  );
}

/**
 * The images of a command that takes many: arguments, and what `--from-file` names.
 * @throws ClipctlError USAGE when there are none, FILE_NOT_FOUND
 */
export async function imagesRequest(
  args: Readonly<Record<string, unknown>>,
  values: FlagValues,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const named = Array.isArray(args['image']) ? args['image'].map(String) : [];
  const files = values.texts('from-file') ?? [];
  if (named.length + files.length === 0) {
    throw new ClipctlError('USAGE', 'missing argument: IMAGE', {
      hint: 'Name an image, or a file that names some: --from-file FILE.',
    });
  }
  if (files.includes('-') && values.toggle('password-stdin')) {
    throw new ClipctlError('USAGE', '--password-stdin and --from-file - both read stdin');
  }
  if (files.length === 0) return named;
  const { gatherImages } = await import('../lib/operations/image-list.ts');
  return gatherImages(named, files, { stdin: process.stdin, environment: process.env, signal });
}
