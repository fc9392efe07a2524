/** How the demo talks: numbered steps, indented facts, 80 columns. */
import { formatDuration, formatSize } from '../src/cli/format.ts';
import type { MemoryFigures } from '../src/lib/operations/results.ts';

const isColored = process.stdout.isTTY && !process.env['NO_COLOR'] && process.env['TERM'] !== 'dumb';
let steps = 0;

/** A line that opens a step. */
export function tellStep(title: string): void {
  steps++;
  process.stdout.write(`\n${bold(`${steps}. ${title}`)}\n`);
}

/** A fact of the step that is open. */
export function tell(line: string): void {
  process.stdout.write(`   ${line}\n`);
}

/** The command as the user could type it here; one that is too long for a line goes on in the next. */
export function tellCommand(args: readonly string[]): void {
  let line = '$ clipctl';
  for (const word of args.map((arg) => arg.replace(process.cwd(), '$PWD'))) {
    if (line.length + word.length > 72) {
      tell(dim(`${line} \\`));
      line = '   ';
    }
    line += ` ${word}`;
  }
  tell(dim(line));
}

/** `97.2 MiB` right-aligned, so that columns of sizes stand below each other. */
export function sizeColumn(bytes: number): string {
  return formatSize(bytes).padStart(10);
}

/** Time, rate and memory of a command. */
export function figuresOf(result: MemoryFigures & { readonly durationMs: number }, bytes: number): string {
  const rate = `${formatSize((bytes / Math.max(1, result.durationMs)) * 1000)}/s`;
  const buffered = `${formatSize(result.peakBufferedBytes)} of 32 MiB buffered`;
  return `${formatDuration(result.durationMs)} · ${rate} · at most ${buffered}, process ${formatSize(result.peakRssBytes)}`;
}

export function bold(text: string): string {
  return isColored ? `\u001b[1m${text}\u001b[22m` : text;
}

function dim(text: string): string {
  return isColored ? `\u001b[2m${text}\u001b[22m` : text;
}
