import type { LayerDescriptor } from '../oci/descriptor.ts';
import { layerTypeOf, printable } from '../oci/media-types.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';

/** The bytes win over the label, and readers that trust the label fail on them (RELIABILITY §1.3 row 13). Undefined: they agree. */
export function labelProblem(
  { mediaType }: Pick<LayerDescriptor, 'mediaType'>,
  { compression }: Pick<LayerFacts, 'compression'>,
): string | undefined {
  const labelled = layerTypeOf(mediaType)?.compression;
  if (labelled === undefined || labelled === compression) return undefined;
  return `its media type ${printable(mediaType)} means ${nameOf(labelled)}, its bytes are ${nameOf(compression)}`;
}

function nameOf(compression: LayerFacts['compression']): string {
  return compression === 'none' ? 'a plain tar' : compression;
}
