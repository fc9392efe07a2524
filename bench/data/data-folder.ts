/** Where data sets are kept between runs: made once, under a temporary name, then renamed, so that what is there is whole. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Raised when a recipe changes. */
const RECIPES_VERSION = 3;

export interface DataFolder {
  readonly path: string;
  /** Of all sizes; 1 for figures, a little for a test of the scripts. */
  readonly scale: number;
  /** The path of a file or folder of this name, made when it is not there. */
  readonly keep: (name: string, make: (path: string) => Promise<void>) => Promise<string>;
}

export async function openDataFolder(scale: number, tell: (line: string) => void): Promise<DataFolder> {
  const path = join(tmpdir(), `clipctl-bench-data-${RECIPES_VERSION}-${scale}`);
  await mkdir(path, { recursive: true });
  return {
    path,
    scale,
    keep: async (name, make) => {
      const kept = join(path, name);
      if (existsSync(kept)) return kept;
      const temporary = join(path, `.${name}.${process.pid}`);
      tell(`making ${name}`);
      await rm(temporary, { recursive: true, force: true });
      await make(temporary);
      await rename(temporary, kept);
      return kept;
    },
  };
}
