#!/usr/bin/env node
// Start-up. Nothing is imported before it is known to be needed: `--version` answers without oclif.
import { readFileSync } from 'node:fs';
import nodeModule from 'node:module';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const CLOSED_PIPE = 141;
const STORAGE = 8;
const STORAGE_CODES = { ENOSPC: 'STORAGE_FULL', EDQUOT: 'STORAGE_FULL' };

// `clipctl … | head -1` closes our stdout: no stack trace. A running command also stops (src/cli/interruption.ts).
// A result that could not be written is a failure; talk that could not be written is none.
let isToldOnce = false;
process.stdout.on('error', onStdoutError);
process.stderr.on('error', ({ code }) => {
  if (isClosed(code)) process.exitCode = CLOSED_PIPE;
});

function onStdoutError({ code }) {
  process.exitCode = isClosed(code) ? CLOSED_PIPE : STORAGE;
  if (isClosed(code) || isToldOnce) return;
  isToldOnce = true;
  process.stderr.write(`error: cannot write to stdout: ${code} [${STORAGE_CODES[code] ?? 'STORAGE_ERROR'}]\n`);
}

/** oclif asks the user database for what is not set, and fails where a container runs under a number that is not in it. */
function nameNobody() {
  try {
    userInfo();
  } catch {
    process.env.SHELL ??= '';
    process.env.HOME ??= '';
  }
}

function isClosed(code) {
  return code === 'EPIPE' || code === 'ECONNRESET';
}

const argv = process.argv.slice(2);
if (argv.length === 1 && argv[0] === '--version') {
  const { name, version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
  process.stdout.write(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}\n`);
} else {
  nameNobody();
  // Node 22.8 and newer keep compiled code between runs.
  nodeModule.enableCompileCache?.();
  const { main } = await import('../dist/cli.js');
  // oclif's own listener, added by the import, throws: that would be a crash with a stack trace.
  for (const listener of process.stdout.listeners('error')) {
    if (listener !== onStdoutError) process.stdout.off('error', listener);
  }
  await main(argv, ROOT);
}
