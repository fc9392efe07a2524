/** `npm run bench [-- NAME... --runs N --scale S --out DIR]`. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDataFolder } from './data/data-folder.ts';
import type { BenchContext } from './claim.ts';
import { currentLoad, describeMachine } from './measure/machine.ts';
import { readOptions, type BenchOptions } from './options.ts';
import { openPeers } from './peers/peers.ts';
import { drawPlot } from './report/bar-plot.ts';
import { writeResults } from './report/results-file.ts';
import { formatClaim } from './report/table.ts';

/** Where scripts/bench.js puts this and the programs. */
const BUILT = dirname(fileURLToPath(import.meta.url));

async function main(options: BenchOptions): Promise<void> {
  const context = await openContext(options);
  const machine = describeMachine();
  const plots = join(options.out, 'plots');
  await mkdir(plots, { recursive: true });
  process.stdout.write(`${machine.cores} × ${machine.cpu}, ${machine.system}, Node ${machine.node}, load ${currentLoad()}\n`);
  for (const claim of options.claims) {
    const loadBefore = currentLoad();
    const result = await claim.measure(context);
    process.stdout.write(formatClaim(claim, result));
    const load = [loadBefore, currentLoad()] as const;
    await writeResults(join(options.out, 'results.json'), { claim, result, machine, runs: options.runs, load });
    for (const [index, plot] of result.plots.entries()) {
      await writeFile(join(plots, `${claim.name}${index === 0 ? '' : `-${index + 1}`}.svg`), drawPlot(plot));
    }
  }
}

async function openContext({ runs, scale }: BenchOptions): Promise<BenchContext> {
  const tell = (line: string): void => void process.stderr.write(`${line}\n`);
  return {
    runs,
    tell,
    data: await openDataFolder(scale, tell),
    peers: openPeers(join(BUILT, 'go'), tell),
    program: (name, ...args) => [process.execPath, join(BUILT, `${name}.js`), ...args],
    clipctl: (...args) => [process.execPath, resolve('bin/run.js'), ...args, '--progress', 'none'],
  };
}

await main(readOptions(process.argv.slice(2)));
