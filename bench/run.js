/** `node bench/run.js NAME [options]`: bundles the scripts of bench/, which Node 20 cannot run as TypeScript, and runs one. */
import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { KERNEL_NAME, KERNEL_PATH } from '../scripts/build-kernel.js';
import { ROOT } from '../scripts/root.js';
import { run, runMain } from '../scripts/run.js';

const OUTPUT = join(ROOT, 'build/bench');

async function main() {
  const [name = 'inflate', ...args] = process.argv.slice(2);
  await mkdir(OUTPUT, { recursive: true });
  await copyFile(KERNEL_PATH, join(OUTPUT, KERNEL_NAME));
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['bench/inflate.ts', 'bench/inflate-peer.ts'],
    outdir: OUTPUT,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
  return run(process.execPath, [join(OUTPUT, `${name}.js`), ...args]);
}

await runMain(main);
