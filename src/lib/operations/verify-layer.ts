/** What `verify` asks of one layer after its pass, which has proven size, digest, diffID, compression and tar. */
import { textOf } from '../byte-string.ts';
import { cleanPath } from '../layer-index/clean-path.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { layerTypeOf, printable } from '../oci/media-types.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import type { EntryList } from '../tar/packed-entries.ts';
import type { VerifyProblem } from './verify-results.ts';

/** A hostile layer can repeat a path a million times. */
const MAX_REPEATS_LISTED = 20;

/** Where a problem of a layer stands. */
export function placeOfLayer({ digest }: Pick<LayerDescriptor, 'digest'>): string {
  return `layer ${digest}`;
}

/** Problems that do not stop a pass. */
export function layerProblems(layer: LayerDescriptor, facts: LayerFacts): readonly VerifyProblem[] {
  return [...labelProblems(layer, facts), ...repeatedPaths(facts.entries, placeOfLayer(layer))];
}

/** The bytes win over the label, and readers that trust the label fail on them (RELIABILITY §1.3 row 13). */
function labelProblems(layer: LayerDescriptor, { compression }: LayerFacts): readonly VerifyProblem[] {
  const labelled = layerTypeOf(layer.mediaType)?.compression;
  if (labelled === undefined || labelled === compression) return [];
  const message = `its media type ${printable(layer.mediaType)} means ${nameOf(labelled)}, its bytes are ${nameOf(compression)}`;
  return [{ code: 'MEDIA_TYPE_MISMATCH', severity: 'warning', where: placeOfLayer(layer), message }];
}

function nameOf(compression: LayerFacts['compression']): string {
  return compression === 'none' ? 'a plain tar' : compression;
}

/** Which of two members with one path counts depends on the reader; `./a` and `a` are one path. */
function repeatedPaths(entries: EntryList, where: string): readonly VerifyProblem[] {
  const seen = new Set<string>();
  const problems: VerifyProblem[] = [];
  let repeats = 0;
  for (const { name } of entries) {
    const { path } = cleanPath(name);
    if (!seen.has(path)) {
      seen.add(path);
      continue;
    }
    if (++repeats > MAX_REPEATS_LISTED) continue;
    const message = 'the path is in the layer twice';
    problems.push({ code: 'DUPLICATE_PATH', severity: 'error', where: `${where} ${textOf(path)}`, message });
  }
  const omitted = repeats - problems.length;
  if (omitted > 0)
    problems.push({ code: 'PROBLEMS_OMITTED', severity: 'error', where, message: `${omitted} more repeated paths` });
  return problems;
}
