#!/usr/bin/env node
// Start-up. Nothing is imported before it is known to be needed: `--version` answers without oclif.
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CLOSED_PIPE = 141;

// `clipctl … | head -1` closes our stdout: no stack trace. A running command also stops (src/cli/interruption.ts).
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exitCode = CLOSED_PIPE;
  });
}

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  const { name, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  // Node 22.8 and newer keep compiled code between runs.
  nodeModule.enableCompileCache?.();
  const { main } = await import('../dist/cli.js');
  await main(argv, ROOT);
}
