import { textOf } from '../byte-string.ts';
import type { ClipFile } from './clip-file.ts';
import type { ClipProblem, ReportProblem } from './clip-problem.ts';
import { validateExtension } from './validate-extension.ts';
import { validateLayers } from './validate-layers.ts';
import { validatePaths } from './validate-paths.ts';
import { validateReferences } from './validate-references.ts';

const MAX_PROBLEMS = 1000;

/**
 * What is wrong with a `.clip` that decodes (RELIABILITY.md §1.3 row 29): paths, layers, references into layers, and
 * the extension when there is one. At most 1000 problems are listed; a last one then counts the rest.
 */
export function validateClip(file: ClipFile): ClipProblem[] {
  const problems: ClipProblem[] = [];
  let omitted = 0;
  let omittedSeverity: ClipProblem['severity'] = 'warning';
  const report: ReportProblem = (problem) => {
    if (problems.length < MAX_PROBLEMS) return void problems.push(problem);
    omitted += 1;
    if (problem.severity === 'error') omittedSeverity = 'error';
  };
  validateLayers(file, report);
  validatePaths(file.nodes, report);
  validateReferences(file, report);
  validateExtension(file, report);
  if (omitted > 0) problems.push({ code: 'PROBLEMS_OMITTED', severity: omittedSeverity, message: `${omitted} more problems` });
  return problems;
}

/** One line for a person. */
export function describeProblem({ code, message, path }: ClipProblem): string {
  return path === undefined ? `${code}: ${message}` : `${code}: ${JSON.stringify(textOf(path))}: ${message}`;
}
