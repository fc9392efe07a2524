import { ClipctlError } from '../errors.ts';

/** OCI image specification, image-index.md `platform`. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly osVersion?: string;
  /** Only as it is written somewhere; choosing a platform does not ask for it. */
  readonly osFeatures?: readonly string[];
}

/** `os/architecture[/variant]`: letters, digits and a little punctuation only. */
const PLATFORM_PART = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** True for what may stand between the slashes; platforms become parts of file names, so nothing else may pass. */
export function isPlatformPart(text: string): boolean {
  return PLATFORM_PART.test(text);
}

const ARCHITECTURES: Readonly<Record<string, { architecture: string; variant?: string }>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  i386: { architecture: '386' },
  i686: { architecture: '386' },
  x86: { architecture: '386' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
};

/** What an architecture means when no variant is written; containerd's platforms.Normalize has the same. */
const DEFAULT_VARIANTS: Readonly<Record<string, string>> = { arm: 'v7', arm64: 'v8', amd64: 'v1' };

/** `process.arch` in the words of GOARCH. */
const HOST_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le', mipsel: 'mipsle' };

/**
 * Parses `--platform`.
 * @throws ClipctlError PLATFORM_INVALID
 */
export function parsePlatform(text: string): Platform {
  const [os, architecture, variant, ...rest] = text.length <= 200 ? text.split('/') : [];
  const parts = variant === undefined ? [os, architecture] : [os, architecture, variant];
  if (rest.length > 0 || !parts.every((part) => part !== undefined && PLATFORM_PART.test(part))) {
    throw new ClipctlError('PLATFORM_INVALID', `not a platform: ${JSON.stringify(text.slice(0, 100))}`, {
      hint: 'Write os/architecture[/variant], such as linux/arm64 or linux/arm/v7.',
    });
  }
  return normalizePlatform({ os: os ?? '', architecture: architecture ?? '', ...(variant === undefined ? {} : { variant }) });
}

/** Lower case, usual aliases resolved, a variant that only says the default left out (`arm/v7` keeps it, as docker prints it). */
export function normalizePlatform(platform: Platform): Platform {
  const os = platform.os.toLowerCase();
  const written = platform.architecture.toLowerCase();
  const alias = Object.hasOwn(ARCHITECTURES, written) ? ARCHITECTURES[written] : undefined;
  const architecture = alias?.architecture ?? written;
  const variant = normalVariant(architecture, platform.variant?.toLowerCase() ?? alias?.variant ?? '');
  return {
    os: os === 'macos' ? 'darwin' : os,
    architecture,
    ...(variant === '' ? {} : { variant }),
    ...(platform.osVersion === undefined ? {} : { osVersion: platform.osVersion }),
  };
}

function normalVariant(architecture: string, written: string): string {
  const variant = /^[0-9]/.test(written) ? `v${written}` : written;
  if (architecture === 'arm') return variant === '' ? 'v7' : variant;
  return variant === DEFAULT_VARIANTS[architecture] ? '' : variant;
}

/** `os/architecture[/variant]`, as docker prints it. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = normalizePlatform(platform);
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`;
}

/** The default choice: linux on this machine's architecture. */
export function hostPlatform(arch: string = process.arch): Platform {
  const architecture = Object.hasOwn(HOST_ARCHITECTURES, arch) ? HOST_ARCHITECTURES[arch] : arch;
  return normalizePlatform({ os: 'linux', architecture: architecture ?? arch });
}

/** `unknown/unknown`: what BuildKit labels attestations with. They are no images. */
export function isUnknownPlatform(platform: Platform): boolean {
  return platform.os === 'unknown' && platform.architecture === 'unknown';
}

/**
 * The candidate that runs best on `wanted`: the same variant before the next lower one (an arm v7 runs v6 and v5, an
 * amd64 v3 runs v2 and v1), the first in the list among equals. Another architecture is never chosen.
 */
export function choosePlatform<T extends { readonly platform: Platform }>(
  candidates: readonly T[],
  wanted: Platform,
): T | undefined {
  let best: { candidate: T; rank: number } | undefined;
  for (const candidate of candidates) {
    const rank = rankOf(normalizePlatform(candidate.platform), normalizePlatform(wanted));
    if (rank !== undefined && (best === undefined || rank < best.rank)) best = { candidate, rank };
  }
  return best?.candidate;
}

/** 0 = exact, higher = further below, undefined = does not run. */
function rankOf(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  if (wanted.osVersion !== undefined && offered.osVersion !== wanted.osVersion) return undefined;
  if (offered.variant === wanted.variant) return 0;
  const distance = variantLevel(wanted) - variantLevel(offered);
  return distance > 0 ? distance : undefined;
}

function variantLevel({ architecture, variant }: Platform): number {
  const level = /^v([0-9]{1,2})(?:\.[0-9]{1,2})?$/.exec(variant ?? DEFAULT_VARIANTS[architecture] ?? '');
  return Number(level?.[1] ?? Number.NaN);
}
