/** The calls in a trace of `strace -f -o`, those too that other threads interrupt. */

export interface TracedCall {
  readonly name: string;
  /** Its arguments and result, as strace wrote them. */
  readonly text: string;
  /** Lines of the trace. */
  readonly startedAt: number;
  readonly endedAt: number;
}

const STARTED = /^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$/;
const RESUMED = /^(\d+) +<\.\.\. (\w+) resumed>(.*)$/;
const WHOLE = /^(\d+) +(\w+)\((.*)$/;

/** Calls that succeeded, in the order of their end. */
export function readTrace(text: string): TracedCall[] {
  const open = new Map<string, { readonly text: string; readonly at: number }>();
  const calls: TracedCall[] = [];
  for (const [at, line] of text.split('\n').entries()) {
    const [, pid = '', name = '', rest = ''] = STARTED.exec(line) ?? RESUMED.exec(line) ?? WHOLE.exec(line) ?? [];
    if (STARTED.test(line)) open.set(`${pid} ${name}`, { text: rest, at });
    else if (/ = 0$/.test(line)) {
      const begun = RESUMED.test(line) ? open.get(`${pid} ${name}`) : undefined;
      calls.push({ name, text: `${begun?.text ?? ''}${rest}`, startedAt: begun?.at ?? at, endedAt: at });
    }
  }
  return calls;
}
