/** `npm run bench [-- NAME...] [--runs N]`: measures the claims of bench/ beside peers, and writes bench/results.json and bench/plots. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KERNEL_NAME, KERNEL_PATH } from './build-kernel.js';
import { checkNodeVersion, installIfStale } from './prepare.js';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';

const FOLDER = join(ROOT, 'build/bench');

async function main() {
  checkNodeVersion();
  await installIfStale();
  const { bundle } = await import('./bundle.js');
  await bundle();
  await bundleBench();
  return run(process.execPath, [join(FOLDER, 'main.js'), ...process.argv.slice(2)]);
}

/** The scripts are TypeScript, which Node 20 cannot run as it is; each program that they start is an entry of its own. */
async function bundleBench() {
  const { build } = await import('esbuild');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['bench/main.ts', 'bench/programs/*.ts', 'bench/peers/node-streams-pipeline.ts'],
    outdir: FOLDER,
    entryNames: '[name]',
    bundle: true,
    splitting: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
  await copyFile(KERNEL_PATH, join(FOLDER, KERNEL_NAME));
}

await runMain(main);
