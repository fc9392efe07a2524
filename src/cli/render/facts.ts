/** Blocks of `label  value` lines. */
import { escapeText } from '../escape.ts';
import type { Surface } from '../output.ts';

const LABEL_CHARS = 9;

/** A label and its values, one a line; without values the label is left out. */
export type Fact = readonly [label: string, ...values: readonly string[]];

/** A whole sha256 digest fits beside its label into 80 columns; longer values are cut where `cut` says so. */
export function renderFacts(facts: readonly Fact[], surface: Surface, options: { readonly cut?: boolean } = {}): string {
  return facts
    .flatMap(([label, ...values]) =>
      values.map((value, at) => line(at === 0 ? label : '', value, { surface, cut: options.cut === true })),
    )
    .join('\n');
}

function line(label: string, value: string, { surface, cut }: { readonly surface: Surface; readonly cut: boolean }): string {
  const text = escapeText(value, { ascii: !surface.unicode });
  const head = surface.style.dim(label.padEnd(LABEL_CHARS));
  return `${head}${cut ? truncate(text, surface.columns - LABEL_CHARS, surface) : text}`.trimEnd();
}

export function truncate(text: string, room: number, surface: Surface): string {
  const characters = Array.from(text);
  if (characters.length <= room) return text;
  return `${characters.slice(0, room - 1).join('')}${surface.unicode ? '…' : '~'}`;
}
