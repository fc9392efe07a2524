/** Layers of the storage info, and where Go's readers start in them. */
import { isDigest } from '../oci/digest.ts';
import type { ClipFile, ClipStorageInfo } from './clip-file.ts';
import type { ReportProblem } from './clip-problem.ts';

const HEX_SHA256 = /^[0-9a-f]{64}$/;

export function validateLayers({ storageInfo }: ClipFile, report: ReportProblem): void {
  for (const layer of new Set(storageInfo.layers)) {
    if (!isDigest(layer)) {
      report({
        code: 'LAYER_DIGEST_INVALID',
        severity: 'error',
        message: `${JSON.stringify(layer.slice(0, 100))} is no sha256 digest`,
        layer,
      });
    }
    if (!storageInfo.decompressedHashByLayer.has(layer)) {
      report({ code: 'LAYER_HASH_MISSING', severity: 'error', message: 'the layer has no decompressed hash', layer });
    }
  }
  for (const [layer, hash] of storageInfo.decompressedHashByLayer) {
    if (HEX_SHA256.test(hash)) continue;
    const message = `${JSON.stringify(hash.slice(0, 100))} is no sha256 in hex`;
    report({ code: 'LAYER_HASH_INVALID', severity: 'error', message, layer });
  }
  validateStarts(storageInfo, report);
}

function validateStarts(
  { layers, gzipIndexByLayer, zstdIndexByLayer, decompressedHashByLayer }: ClipStorageInfo,
  report: ReportProblem,
): void {
  const known = new Set(layers);
  for (const layer of new Set([...gzipIndexByLayer.keys(), ...zstdIndexByLayer.keys(), ...decompressedHashByLayer.keys()])) {
    if (!known.has(layer))
      report({ code: 'LAYER_UNKNOWN', severity: 'warning', message: 'facts about a layer that the image does not have', layer });
  }
  for (const [layer, checkpoints] of gzipIndexByLayer) {
    if (checkpoints.every(areOffsets) && ascend(checkpoints)) continue;
    report({
      code: 'CHECKPOINT_INVALID',
      severity: 'error',
      message: 'its gzip checkpoints are negative or do not ascend',
      layer,
    });
  }
  for (const [layer, frames] of zstdIndexByLayer) {
    if (
      frames.every((frame) => areOffsets(frame) && frame.compressedBytes >= 0 && frame.uncompressedBytes >= 0) &&
      ascend(frames)
    )
      continue;
    report({ code: 'CHECKPOINT_INVALID', severity: 'error', message: 'its zstd frames are negative or do not ascend', layer });
  }
}

interface Offsets {
  readonly compressedOffset: number;
  readonly uncompressedOffset: number;
}

function areOffsets({ compressedOffset, uncompressedOffset }: Offsets): boolean {
  return compressedOffset >= 0 && uncompressedOffset >= 0;
}

function ascend(offsets: readonly Offsets[]): boolean {
  return offsets.every((current, index) => {
    const previous = offsets[index - 1];
    return (
      previous === undefined ||
      (previous.compressedOffset <= current.compressedOffset && previous.uncompressedOffset <= current.uncompressedOffset)
    );
  });
}
