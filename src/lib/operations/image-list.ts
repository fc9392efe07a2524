import { readImageList, type ImageListOptions } from '../source/image-list/read-image-list.ts';

/** The images that were named, and those that files name (`--from-file`), each once. @throws ClipctlError as readImageList does */
export async function gatherImages(
  named: readonly string[],
  files: readonly string[],
  options: ImageListOptions,
): Promise<readonly string[]> {
  const images = new Set(named);
  for (const file of files) for (const image of await readImageList(file, options)) images.add(image);
  return [...images];
}
