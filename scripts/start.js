/** `npm start [-- REF]`: installs, builds and shows the main job on a made image, or on the one that REF names. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { checkNodeVersion, installIfStale } from './prepare.js';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';

async function main() {
  checkNodeVersion();
  await installIfStale();
  const { bundle } = await import('./bundle.js');
  await bundle();
  const demo = await bundleDemo();
  return run(process.execPath, [demo, ...process.argv.slice(2)]);
}

/** The demo is TypeScript, which Node 20 cannot run as it is. */
async function bundleDemo() {
  const { build } = await import('esbuild');
  await mkdir(join(ROOT, 'build'), { recursive: true });
  const outfile = join(ROOT, 'build/demo.js');
  await build({
    absWorkingDir: ROOT,
    entryPoints: ['demo/main.ts'],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'warning',
  });
  return outfile;
}

await runMain(main);
