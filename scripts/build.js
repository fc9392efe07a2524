/**
 * `npm run build [-- --clean]`: builds the inflate kernel, bundles the CLI and the library into dist/, flat, so that a worker stands beside any chunk that starts
 * it, and writes the type declarations. The bundle is what makes start-up fast: oclif alone is some 300 modules.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildKernel } from './build-kernel.js';
import { bundle } from './bundle.js';
import { checkNodeVersion } from './prepare.js';
import { ROOT } from './root.js';
import { mustRun, runMain } from './run.js';

async function main() {
  checkNodeVersion();
  if (process.argv.includes('--clean')) await rm(join(ROOT, 'dist'), { recursive: true, force: true });
  await buildKernel();
  const { files, bytes } = await bundle();
  process.stderr.write(`dist: ${files} files, ${Math.round(bytes / 1024)} KiB\n`);
  await writeDeclarations();
}

export async function writeDeclarations() {
  await mustRun(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runMain(main);
