/** Runs cache-child.ts in processes of their own, also under strace or in a mount namespace. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const run = promisify(execFile);

/** Bundles the child into `directory`: Node 20 can't run TypeScript. */
export async function bundleChild(directory: string): Promise<string> {
  const outfile = `${directory}/cache-child.mjs`;
  const entry = fileURLToPath(new URL('./cache-child.ts', import.meta.url));
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    logLevel: 'error',
  });
  return outfile;
}

export type ChildResult = Readonly<Record<string, unknown>>;

/** Runs `command` with the child at the end of its arguments; the result is the last line of stdout. */
export async function runChild(command: readonly string[]): Promise<ChildResult> {
  const [file = '', ...args] = command;
  const { stdout } = await run(file, args, { timeout: 60_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as ChildResult;
}

export function spawnChild(command: readonly string[]): ChildProcess {
  const [file = '', ...args] = command;
  return spawn(file, args, { stdio: 'ignore' });
}

/** Wraps a command into a namespace whose mounts it may change: only root can. */
export function inMountNamespace(prepare: string, command: readonly string[]): string[] {
  return ['unshare', '-m', 'sh', '-c', `set -e; ${prepare}; exec "$@"`, 'sh', ...command];
}

/** Needs root, so it may be skipped anywhere. */
export const canMount = works(['unshare', '-m', 'sh', '-c', 'mount -t tmpfs none /mnt']);

/** @throws under CI: there strace is installed, and a skip would hide what it proves */
export function canTrace(): boolean {
  if (works(['strace', '-f', '-e', 'trace=none', 'true'])) return true;
  if (process.env['CI'] === 'true') throw new Error('strace does not work here (Debian package strace)');
  return false;
}

function works([file = '', ...args]: string[]): boolean {
  return spawnSync(file, args, { stdio: 'ignore' }).status === 0;
}
