/** `npm run bench [-- NAME...] [--runs N]`: measures the claims of bench/ beside peers, and writes bench/results.json and bench/plots. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KERNEL_NAME, KERNEL_PATH } from './build-kernel.js';
import { checkNodeVersion, installIfStale } from './prepare.js';
import { ROOT } from './root.js';
import { run, runMain } from './run.js';
import { provideS3Proxy } from './s3proxy.js';
import { isOnPath } from './test-servers.js';

const FOLDER = join(ROOT, 'build/bench');
/** Claims that start S3Proxy. */
const NEED_S3PROXY = ['s3', 'push', 'remotes'];

async function main() {
  checkNodeVersion();
  await installIfStale();
  const { bundle } = await import('./bundle.js');
  await bundle();
  await bundleBench();
  const args = process.argv.slice(2);
  if (needsS3Proxy(args) && isOnPath('mvn') && isOnPath('java')) await provideS3Proxy();
  return run(process.execPath, [join(FOLDER, 'main.js'), ...args]);
}

/**
 * Without a name all claims are measured.
 * @param {readonly string[]} args
 */
function needsS3Proxy(args) {
  const names = args.filter((word, at) => !word.startsWith('-') && !args[at - 1]?.startsWith('-'));
  return names.length === 0 || names.some((name) => NEED_S3PROXY.includes(name));
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
  // The BlobCache server of the tests reads it beside itself.
  await copyFile(join(ROOT, 'test/servers/blobcache.proto'), join(FOLDER, 'blobcache.proto'));
}

await runMain(main);
