import { createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { packFiles } from '../../demo/pack-files.ts';
import type { ChosenFile } from '../../demo/choose-files.ts';
import type { DataFolder } from './data-folder.ts';
import { FileSupply, LIBRARIES, MB, SMALL_FILES, type FileKind } from './file-supply.ts';

export interface TarFile {
  readonly path: string;
  readonly bytes: number;
  readonly description: string;
}

const KIND_BYTES = 400 * MB;

/** 400 MB of libraries. */
export function libTar(data: DataFolder): Promise<TarFile> {
  return kindTar(data, LIBRARIES);
}

/** 400 MB of small files. */
export function smallTar(data: DataFolder): Promise<TarFile> {
  return kindTar(data, SMALL_FILES);
}

/** 800 MB, one half libraries, one half small files. */
export function mixedTar(data: DataFolder): Promise<TarFile> {
  return halvesTar(data, 'mixed.tar', { libraries: KIND_BYTES, small: KIND_BYTES });
}

/** 1 GiB; of small files machines have fewer. */
export function gibTar(data: DataFolder): Promise<TarFile> {
  return halvesTar(data, 'gib.tar', { libraries: 2 ** 30 - KIND_BYTES, small: KIND_BYTES });
}

function halvesTar(
  data: DataFolder,
  name: string,
  { libraries, small }: { readonly libraries: number; readonly small: number },
): Promise<TarFile> {
  return keepTar(data, { name, description: 'half libraries, half small files' }, async function* () {
    yield* new FileSupply(LIBRARIES).take(libraries * data.scale);
    yield* new FileSupply(SMALL_FILES).take(small * data.scale);
  });
}

/** One tar for each of `sizes` (bytes), libraries and small files by turns, no file twice. */
export async function tarSeries(data: DataFolder, name: string, sizes: readonly number[]): Promise<readonly TarFile[]> {
  const supplies = [new FileSupply(LIBRARIES), new FileSupply(SMALL_FILES)];
  const tars: TarFile[] = [];
  for (const [index, bytes] of sizes.entries()) {
    const supply = supplies[index % supplies.length]!;
    const about = { name: `${name}-${index}.tar`, description: 'libraries and small files by turns' };
    tars.push(await keepTar(data, about, () => supply.take(bytes * data.scale)));
  }
  return tars;
}

function kindTar(data: DataFolder, kind: FileKind): Promise<TarFile> {
  const { name, description } = kind;
  return keepTar(data, { name: `${name}.tar`, description }, () => new FileSupply(kind).take(KIND_BYTES * data.scale));
}

async function keepTar(
  data: DataFolder,
  { name, description }: { readonly name: string; readonly description: string },
  files: () => AsyncIterable<ChosenFile>,
): Promise<TarFile> {
  const path = await data.keep(name, (target) => pipeline(packFiles(files()), createWriteStream(target)));
  return { path, bytes: (await stat(path)).size, description };
}
