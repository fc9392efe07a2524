/** Prints what `work` cost this process (all its threads), with the figures that it found, as the one line of JSON of a report. */
export async function measureWork(work: () => object | Promise<object>): Promise<void> {
  process.stdout.write(`${JSON.stringify(await costOf(work))}\n`);
}

export interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** User and system time of the process while `work` ran, and how long it took. */
export async function costOf<T extends object>(work: () => T | Promise<T>): Promise<T & Cost> {
  const before = process.cpuUsage();
  const started = performance.now();
  const found = await work();
  const wallMs = performance.now() - started;
  const { user, system } = process.cpuUsage(before);
  return { ...found, cpuMs: (user + system) / 1000, wallMs };
}
