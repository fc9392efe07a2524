import { ClipctlError } from '../errors.ts';
import type { DecodedFacts, LayerFacts, LayerJob, OutputFacts } from './layer-job.ts';
import { openEntries } from '../tar/packed-entries.ts';
import { errorFromPlain } from './plain-error.ts';

/** Joins what both sides of a layer learned. @throws ClipctlError DIFF_ID_MISMATCH, then what the scan met */
export function layerFactsOf({ expected }: LayerJob, decoded: DecodedFacts, outputs: OutputFacts): LayerFacts {
  const { diffId, entries, contentDigests, scanError } = outputs;
  if (diffId !== expected.diffId) {
    throw new ClipctlError('DIFF_ID_MISMATCH', `layer has the wrong diffID: expected ${expected.diffId}, got ${diffId}`, {
      details: { layer: expected.digest, expected: expected.diffId, actual: diffId },
      hint: 'Nothing of this layer was kept. Its digest is right: the config of the image promises something else.',
    });
  }
  if (scanError !== undefined) throw errorFromPlain(scanError);
  return { ...decoded, diffId, entries: openEntries(entries), contentDigests };
}
