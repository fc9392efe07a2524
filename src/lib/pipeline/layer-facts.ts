import { ClipctlError } from '../errors.ts';
import type { DiffId } from '../oci/digest.ts';
import type { DecodedFacts, LayerFacts, LayerJob, OutputFacts } from './layer-job.ts';
import { openEntries } from '../tar/packed-entries.ts';
import { errorFromPlain } from './plain-error.ts';

/** Joins what both sides of a layer learned. @throws ClipctlError DIFF_ID_MISMATCH, then what the scan met */
export function layerFactsOf({ expected }: LayerJob, decoded: DecodedFacts, outputs: OutputFacts): LayerFacts {
  const { diffId, entries, scanError, ...digests } = outputs;
  if (diffId !== expected.diffId) {
    throw new ClipctlError('DIFF_ID_MISMATCH', `layer has the wrong diffID: expected ${expected.diffId}, got ${diffId}`, {
      details: { layer: expected.digest, expected: expected.diffId, actual: diffId },
      hint: 'Nothing of this layer was kept. Its digest is right: the config of the image promises something else.',
    });
  }
  const verifiedBy = decoded.compression === 'none' ? plainTarProof(decoded, diffId) : decoded.verifiedBy;
  if (scanError !== undefined) throw errorFromPlain(scanError);
  return { ...decoded, verifiedBy, diffId, entries: openEntries(entries), ...digests };
}

/** What is not compressed has its diffID for a digest, so a resumed layer can be held to it too. */
function plainTarProof({ digest, verifiedBy }: DecodedFacts, diffId: DiffId): DecodedFacts['verifiedBy'] {
  if (verifiedBy === 'diffId' && digest !== (diffId as string)) {
    throw new ClipctlError('DIGEST_MISMATCH', `layer has the wrong digest: expected ${digest}, got ${diffId}`, {
      details: { expected: digest, actual: diffId },
    });
  }
  return 'digest+diffId';
}
