import type { ImageSource, PlatformManifest } from '../source/image-source.ts';

/**
 * Every platform of an image, one at least.
 * @throws ClipctlError PLATFORM_NOT_FOUND for an image index without images, as choosing one of them does
 */
export async function everyPlatform(source: ImageSource, signal: AbortSignal): Promise<readonly PlatformManifest[]> {
  const listed = await source.listPlatforms({ signal });
  if (listed.length === 0) await source.resolve({ signal });
  return listed;
}
