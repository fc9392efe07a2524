/** The extension against the sections of CLIP that it adds to. */
import {
  CONTENT_DIGEST_SPAN_BYTES,
  type ClipFile,
  type ClipNode,
  type ExtensionEntry,
  type ExtensionLayer,
} from './clip-file.ts';
import type { SparseRegion } from '../tar/tar-entry.ts';
import type { ReportProblem } from './clip-problem.ts';
import { CONTENT_DIGEST_BYTES } from './extension/format.ts';

export function validateExtension({ extension, storageInfo, nodes }: ClipFile, report: ReportProblem): void {
  if (extension === undefined) return;
  const known = new Set(storageInfo.layers);
  for (const layer of extension.layers) {
    if (!known.has(layer.digest)) {
      report({ code: 'LAYER_UNKNOWN', severity: 'error', message: 'a layer that the image does not have', layer: layer.digest });
    }
    const hash = storageInfo.decompressedHashByLayer.get(layer.digest);
    if (hash !== undefined && layer.diffId !== `sha256:${hash}`) {
      const message = `its diffID is ${quote(layer.diffId)}, CLIP's decompressed hash ${quote(hash)}`;
      report({ code: 'EXTENSION_HASH_MISMATCH', severity: 'error', message, layer: layer.digest });
    }
    validateLayerFacts(layer, report);
  }
  validateEntries(extension.entries, nodes, report);
  validateSparse(
    extension.entries,
    { known, lengthOf: new Map(extension.layers.map((layer) => [layer.digest, layer.uncompressedBytes])) },
    report,
  );
}

function validateLayerFacts(layer: ExtensionLayer, report: ReportProblem): void {
  const spans = Math.ceil(layer.uncompressedBytes / CONTENT_DIGEST_SPAN_BYTES);
  const digests = layer.contentDigests.byteLength / CONTENT_DIGEST_BYTES;
  if (digests !== spans) {
    const message = `${digests} digests for ${spans} spans of content`;
    report({ code: 'EXTENSION_DIGEST_COUNT', severity: 'error', message, layer: layer.digest });
  }
  const beyond = layer.checkpoints.find(
    (checkpoint) =>
      checkpoint.compressedOffset > layer.compressedBytes || checkpoint.uncompressedOffset > layer.uncompressedBytes,
  );
  if (beyond === undefined) return;
  const message = `a checkpoint at ${beyond.compressedOffset}/${beyond.uncompressedOffset} lies behind the end of the layer`;
  report({ code: 'CHECKPOINT_BEYOND_LAYER', severity: 'error', message, layer: layer.digest });
}

function validateEntries(entries: readonly ExtensionEntry[], nodes: readonly ClipNode[], report: ReportProblem): void {
  const paths = new Set<string>(nodes.map((node) => node.path));
  const seen = new Set<string>();
  for (const { path, special } of entries) {
    if (seen.has(path) || (special !== undefined && paths.has(path))) {
      report({ code: 'PATH_DUPLICATE', severity: 'error', message: 'it stands in the file twice', path });
    }
    seen.add(path);
  }
  for (const { path, hardLinkTo } of entries) {
    if (hardLinkTo === undefined || paths.has(hardLinkTo) || seen.has(hardLinkTo)) continue;
    report({
      code: 'EXTENSION_HARD_LINK_MISSING',
      severity: 'warning',
      message: 'the file that it is a hard link to is not there',
      path,
    });
  }
}

interface LayerFacts {
  readonly known: ReadonlySet<string>;
  readonly lengthOf: ReadonlyMap<string, number>;
}

function validateSparse(entries: readonly ExtensionEntry[], { known, lengthOf }: LayerFacts, report: ReportProblem): void {
  for (const { path, sparse } of entries) {
    if (sparse === undefined) continue;
    const { layerDigest, uncompressedOffset, length } = sparse.remote;
    if (!known.has(layerDigest)) {
      report({
        code: 'LAYER_UNKNOWN',
        severity: 'error',
        message: 'it lies in a layer that the image does not have',
        path,
        layer: layerDigest,
      });
    }
    const stored = sparse.regions.reduce((sum, region) => sum + region.length, 0);
    const layerBytes = lengthOf.get(layerDigest) ?? Number.MAX_SAFE_INTEGER;
    if (stored === length && uncompressedOffset + length <= layerBytes && isAscending(sparse.regions)) continue;
    const message = `its map has ${sparse.regions.length} runs of ${stored} bytes together, ${length} are stored at ${uncompressedOffset}`;
    report({ code: 'EXTENSION_SPARSE_INVALID', severity: 'error', message, path });
  }
}

function isAscending(regions: readonly SparseRegion[]): boolean {
  let end = 0;
  for (const { offset, length } of regions) {
    if (offset < end) return false;
    end = offset + length;
  }
  return true;
}

/** What a file says of itself may hold control characters. */
function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
