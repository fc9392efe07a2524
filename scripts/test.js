/** `npm test`: installs, builds, provides the servers that tests start, and runs every test but interop and long. */
import { checkNodeVersion, installIfStale } from './prepare.js';
import { mustRun, runMain } from './run.js';

async function main() {
  const started = performance.now();
  checkNodeVersion();
  await installIfStale();
  await mustRun(process.execPath, ['scripts/build.js'], { stdio: ['ignore', 2, 2] });
  const { provideTestServers } = await import('./test-servers.js');
  await provideTestServers();
  const { runVitest } = await import('./run-vitest.js');
  const { readResults } = await import('./test-results.js');
  const code = await runVitest('all', process.argv.slice(2));
  const { passed, failed, skipped } = await readResults('all');
  const seconds = Math.round((performance.now() - started) / 1000);
  process.stdout.write(`npm test: ${passed} passed · ${failed} failed · ${skipped} skipped · ${seconds} s\n`);
  return code;
}

await runMain(main);
