import { createInterface } from 'node:readline/promises';

/** Somebody sits at a terminal, and reads no document. */
export function canConfirm({ json }: { readonly json: boolean }): boolean {
  return !json && process.stdin.isTTY && process.stderr.isTTY;
}

/** Asks on the terminal. Only `y` or `yes` is a yes. */
export async function confirm(question: string, { signal }: { readonly signal: AbortSignal }): Promise<boolean> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await lines.question(`${question} [y/N] `, { signal });
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    lines.close();
  }
}
