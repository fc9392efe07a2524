import type { VerifyProblem, VerifyResult } from '../../lib/operations/verify-results.ts';
import { escapeText } from '../escape.ts';
import { count, formatDuration, formatSize } from '../format.ts';
import type { Surface } from '../output.ts';
import { type Fact, renderFacts } from './facts.ts';
import { renderMemory } from './memory.ts';

/** Every problem on lines of its own, then what was read, then the verdict. */
export function renderVerify(result: VerifyResult, surface: Surface): string {
  const sections = [
    renderFacts(
      [
        [result.kind, result.image],
        ...result.images.flatMap(({ platform, manifestDigest }): Fact[] => [
          ['platform', platform],
          ['manifest', manifestDigest],
        ]),
      ],
      surface,
    ),
    result.problems.map((problem) => renderProblem(problem, surface)).join('\n'),
    `read ${renderChecked(result)}\n${verdictOf(result, surface)} in ${formatDuration(result.durationMs)}${renderMemory(result)}`,
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

function renderProblem({ code, severity, where, message }: VerifyProblem, surface: Surface): string {
  const paint = severity === 'error' ? surface.style.red : surface.style.yellow;
  const ascii = { ascii: !surface.unicode };
  return `${paint(code)} ${escapeText(where, ascii)}\n  ${escapeText(message, ascii)}`;
}

function verdictOf({ ok, problems }: VerifyResult, { style }: Surface): string {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  return ok ? style.green('ok') : style.red(`failed, ${count(errors, 'problem')}`);
}

function renderChecked({ checked }: VerifyResult): string {
  const read = `${count(checked.layers, 'layer')}, ${formatSize(checked.bytes)}, ${count(checked.entries, 'entry', 'entries')}`;
  return checked.checkpoints === 0 ? read : `${read}, ${count(checked.checkpoints, 'checkpoint')}`;
}
