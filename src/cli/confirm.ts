import { createInterface } from 'node:readline/promises';

/**
 * Asks on the terminal. Only `y` or `yes` is a yes.
 * @returns `nobody` when stdin or stderr is no terminal, or stdout is a document's
 */
export async function confirm(
  question: string,
  { signal, json }: { readonly signal: AbortSignal; readonly json: boolean },
): Promise<'yes' | 'no' | 'nobody'> {
  if (json || !process.stdin.isTTY || !process.stderr.isTTY) return 'nobody';
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim()) ? 'yes' : 'no';
  } finally {
    lines.close();
  }
}
