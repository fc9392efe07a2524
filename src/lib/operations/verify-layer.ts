/** What `verify` asks of one layer after its pass, which has proven size, digest, diffID, compression and tar. */
import { textOf } from '../byte-string.ts';
import { cleanPath } from '../layer-index/clean-path.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { LayerFacts } from '../pipeline/layer-job.ts';
import type { EntryList } from '../tar/packed-entries.ts';
import { labelProblem } from './label-problem.ts';
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

/** Compressed otherwise than its media type says. */
function labelProblems(layer: LayerDescriptor, facts: LayerFacts): readonly VerifyProblem[] {
  const message = labelProblem(layer, facts);
  if (message === undefined) return [];
  return [{ code: 'MEDIA_TYPE_MISMATCH', severity: 'warning', where: placeOfLayer(layer), message }];
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
