/** `--compress`: who can take packed layers, and what packs them here. */
import type { ContentCache } from '../cache/content-cache.ts';
import { openFrameEncoder, type FrameEncoder } from '../compression/zstd/frame-encoder.ts';
import { ClipctlError } from '../errors.ts';

/** Schemes of the drivers that know both forms. */
const PACKING_REMOTES = 'file, s3, redis and oci remotes';

export interface Compression {
  /** Of zstd, 1 to 19. */
  readonly level: number;
}

export interface EncoderRequest {
  readonly compress?: Compression;
  readonly noDisk?: boolean;
}

/**
 * No encoder where none is asked for, or none can be had: that is a warning.
 * @throws ClipctlError USAGE when a remote takes plain layers only, and with --no-disk
 */
export async function encoderFor(
  remotes: readonly ContentCache[],
  { compress, noDisk = false }: EncoderRequest,
): Promise<{ readonly encoder: FrameEncoder | undefined; readonly warnings: readonly string[] }> {
  if (compress === undefined) return { encoder: undefined, warnings: [] };
  const plainOnly = remotes.find(({ capabilities }) => capabilities.encoding !== true);
  if (plainOnly !== undefined) {
    throw new ClipctlError('USAGE', `--compress: ${plainOnly.url} takes plain layers only`, {
      hint: `Packed layers can stand in ${PACKING_REMOTES}. Push to this one in a run of its own, with --compress none.`,
    });
  }
  if (noDisk) {
    throw new ClipctlError('USAGE', '--compress and --no-disk exclude each other', {
      hint: 'Layers are packed from the disk cache: leave out --no-disk, or use --compress none.',
    });
  }
  const encoder = await openFrameEncoder(compress.level);
  const warnings = encoder === undefined ? ['no zstd encoder can be had here: layers are stored plain'] : [];
  return { encoder, warnings };
}
