/** All tars on which our scanner is held against Go's archive/tar. Deterministic: the golden file names each by `name`. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { BLOCK_BYTES } from '../../src/lib/tar/block.ts';
import { numberTars, typeTars } from './edge-numbers.ts';
import { endTars, longTars, orderTars } from './edge-order.ts';
import { paxRecordTars, paxValueTars } from './edge-pax.ts';
import { sparseTars } from './edge-sparse.ts';
import { featureTars, joinParts, type TarParts } from './feature-tars.ts';
import { mutate } from './mutations.ts';

export interface TarCase {
  readonly name: string;
  readonly tar: Uint8Array;
}

const MUTATIONS_PER_FEATURE = 40;
const MUTATIONS_PER_LAYER = 12;
const LARGEST_LAYER_BYTES = 1 << 20;

export function tarCases(): TarCase[] {
  const features = featureTars();
  const layers = fixtureLayers();
  return [
    ...[...features, ...layers].map(({ name, parts }) => ({ name, tar: joinParts(parts) })),
    ...edgeTars(),
    ...features.flatMap((source, index) => mutate(source, MUTATIONS_PER_FEATURE, index + 1)),
    ...layers.flatMap((source, index) => mutate(source, MUTATIONS_PER_LAYER, index + 500)),
  ];
}

/** Edges, each enumerated. */
function edgeTars(): TarCase[] {
  const numbers = [...numberTars(), ...typeTars()];
  const pax = [...paxRecordTars(), ...paxValueTars()];
  return [...numbers, ...pax, ...sparseTars(), ...orderTars(), ...endTars(), ...longTars()];
}

/** The layers of the fixture images, decompressed and cut into blocks. */
export function fixtureLayers(): TarParts[] {
  const root = join(import.meta.dirname, '..', 'fixtures');
  const found = new Map<string, TarParts>();
  for (const image of readdirSync(root).sort()) {
    const directory = join(root, image, 'oci', 'blobs', 'sha256');
    for (const blob of readdirSync(directory).sort()) {
      const tar = layerTar(readFileSync(join(directory, blob)));
      if (tar !== undefined && !found.has(blob)) found.set(blob, { name: `fixture ${blob.slice(0, 12)}`, parts: blocksOf(tar) });
    }
  }
  return [...found.values()];
}

function layerTar(blob: Buffer): Buffer | undefined {
  const content = blob[0] === 0x1f && blob[1] === 0x8b ? gunzipSync(blob) : blob;
  const isTar = content.length >= BLOCK_BYTES && content.toString('latin1', 257, 262) === 'ustar';
  return isTar && content.length <= LARGEST_LAYER_BYTES ? content : undefined;
}

function blocksOf(tar: Buffer): Buffer[] {
  const blocks: Buffer[] = [];
  for (let at = 0; at < tar.length; at += BLOCK_BYTES) blocks.push(tar.subarray(at, at + BLOCK_BYTES));
  return blocks;
}
