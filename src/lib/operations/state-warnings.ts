/** What the `cache` commands say of state that is of no use: it counts as missing, and nobody should wonder why. */
import { brokenImageRecords } from '../cache/disk/image-records.ts';
import { listForeignTransfers } from '../cache/disk/ingest/transfers.ts';
import { brokenPins } from '../cache/disk/pins.ts';
import { withRealPaths } from '../held-names.ts';

/** One a kind; the first file is named. @throws ClipctlError STORAGE_* */
export async function stateWarnings(cacheDir: string): Promise<readonly string[]> {
  return [
    ...warningOf(
      await brokenImageRecords(cacheDir),
      'no record of an image can be read, so its layers count as of no image: warm the image again, or remove the file',
    ),
    ...warningOf(await brokenPins(cacheDir), 'no pin can be read, so it keeps no layer: pin the image again, or remove the file'),
    ...warningOf(
      await listForeignTransfers(cacheDir),
      'no transfer can be gone on with: it is not ours, and is neither followed nor removed; look at it and remove it',
    ),
  ];
}

function warningOf(paths: readonly string[], what: string): string[] {
  const [first] = paths.map(withRealPaths);
  if (first === undefined) return [];
  const others = paths.length === 1 ? '' : ` and ${paths.length - 1} more files`;
  return [`from ${first}${others} ${what}`];
}
