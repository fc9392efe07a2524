import type { Digest } from '../oci/digest.ts';
import type { Platform } from '../oci/platform.ts';
import { runLimited } from '../pipeline/run-limited.ts';
import { everyPlatform } from './every-platform.ts';
import { requireLayers, selectLayers } from './image-layers.ts';
import { isClipName, openImage, openedOf, openOnlineSource, type OpenedImage, type OpenImageOptions } from './open-image.ts';
import type { Session } from './open-session.ts';

/** Of which platforms of an image. */
export interface PlatformChoice {
  /** Empty or absent = the default one. */
  readonly platforms?: readonly Platform[];
  /** Each platform of the image index. */
  readonly allPlatforms?: boolean;
}

export interface OpenImagesRequest extends PlatformChoice {
  readonly images: readonly string[];
  readonly platform?: Platform;
  /** Only these layers (digest or diffID); empty or absent = all. */
  readonly layers?: readonly Digest[];
}

export interface OpenedImages {
  readonly images: readonly OpenedImage[];
  /** Why others could not be opened. */
  readonly failures: readonly unknown[];
}

/** Opens what can be opened. @throws ClipctlError LAYER_NOT_FOUND when all could, and none has a layer that was named */
export async function openImages(session: Session, request: OpenImagesRequest): Promise<OpenedImages> {
  const { layers = [] } = request;
  const perName = await runLimited(request.images, session.options.jobs, (name) => openEach(session, name, request));
  const opened = perName.flatMap((result) => (result.status === 'fulfilled' ? result.value : [result]));
  const images = opened.flatMap((result) => (result.status === 'fulfilled' ? [selectLayers(result.value, layers)] : []));
  const failures = opened.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
  if (failures.length === 0) requireLayers(images, layers);
  return { images: withoutRepeats(images), failures };
}

/** One name for each platform asked for. An index is of one, whatever `allPlatforms` says. */
async function openEach(
  session: Session,
  name: string,
  { platform, platforms = [], allPlatforms = false }: OpenImagesRequest,
): Promise<PromiseSettledResult<OpenedImage>[]> {
  if (allPlatforms && !isClipName(name)) return openAll(session, name);
  const wanted = platform === undefined ? platforms : [platform, ...platforms];
  const choices: readonly OpenImageOptions[] = wanted.length === 0 ? [{}] : wanted.map((each) => ({ platform: each }));
  return Promise.allSettled(choices.map((options) => openImage(session, name, options)));
}

async function openAll(session: Session, name: string): Promise<PromiseSettledResult<OpenedImage>[]> {
  const { signal } = session;
  const source = openOnlineSource(session, name);
  const listed = await everyPlatform(source, signal);
  return Promise.allSettled(
    listed.map(async ({ digest, platform }) => openedOf(name, source, await source.resolve({ signal, digest, platform }))),
  );
}

/** Two wishes may lead to one manifest, like linux/arm64 and linux/arm64/v8. */
function withoutRepeats(images: readonly OpenedImage[]): readonly OpenedImage[] {
  const seen = new Set<string>();
  return images.filter(({ name, resolved }) => {
    const key = `${name} ${resolved?.manifestDigest ?? ''}`;
    if (resolved !== undefined && seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
