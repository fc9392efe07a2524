/** What the `cache` commands say of records and pins that can't be read: they count as missing, and nobody should wonder why. */
import { brokenImageRecords } from '../cache/disk/image-records.ts';
import { brokenPins } from '../cache/disk/pins.ts';

/** One a kind; the first file is named. @throws ClipctlError STORAGE_* */
export async function stateWarnings(cacheDir: string): Promise<readonly string[]> {
  return [
    ...warningOf(
      await brokenImageRecords(cacheDir),
      'no record of an image can be read, so its layers count as of no image: warm the image again, or remove the file',
    ),
    ...warningOf(await brokenPins(cacheDir), 'no pin can be read, so it keeps no layer: pin the image again, or remove the file'),
  ];
}

function warningOf(paths: readonly string[], what: string): string[] {
  const [first] = paths;
  if (first === undefined) return [];
  const others = paths.length === 1 ? '' : ` and ${paths.length - 1} more files`;
  return [`from ${first}${others} ${what}`];
}
