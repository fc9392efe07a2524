import type { ClipFile } from '../clip/clip-file.ts';
import { formatPlatform } from '../oci/platform.ts';

/** `os/architecture[/variant]` that an index names; undefined when it names none. */
export function platformOfClip({ storageInfo }: ClipFile): string | undefined {
  const { os, architecture, variant } = storageInfo.imageMetadata;
  return os === '' ? undefined : formatPlatform({ os, architecture, ...(variant === '' ? {} : { variant }) });
}
