/** The built command, killed by the kernel as it enters one system call; strace sees to that. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Home } from '../e2e/run-cli.ts';

const run = promisify(execFile);
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const HANG_MS = 60_000;

export interface KillAt {
  readonly call: string;
  /** The how manyeth of the process. */
  readonly nth: number;
  /** Further injections of strace, as `link:error=EPERM:when=2`. */
  readonly more?: readonly string[];
}

/** Runs `clipctl ...args` in the home until it is killed; that it comes to no end is expected. */
export function killClipctl(home: Home, args: readonly string[], at: KillAt): Promise<void> {
  return killNode(home.dir, [BIN, ...args, '--cache-dir', home.cacheDir], at);
}

/** Without --seccomp-bpf: with it strace 6.1 counts calls and sends no signal. */
export async function killNode(directory: string, args: readonly string[], { call, nth, more = [] }: KillAt): Promise<void> {
  const injected = [...more, `${call}:signal=KILL:when=${nth}`];
  const calls = [...new Set(injected.map((each) => each.split(':')[0]))].join(',');
  const inject = injected.flatMap((each) => ['-e', `inject=${each}`]);
  const strace = ['-f', '-qq', '-o', join(directory, 'trace'), '-e', `trace=${calls}`, ...inject, process.execPath, ...args];
  // One thread for the file system: strace counts the calls of each.
  const env = { PATH: process.env['PATH'] ?? '', HOME: directory, UV_THREADPOOL_SIZE: '1' };
  const ended = await run('strace', strace, { env, timeout: HANG_MS }).catch((error: unknown) => error);
  expect(ended, `${call} ${nth}`).toMatchObject({ signal: 'SIGKILL' });
}

/** In blocks, each file once, as `du -s` says. */
export async function diskUsage(directory: string): Promise<number> {
  const { stdout } = await run('du', ['-s', '-B1', directory]);
  return Number(stdout.split('\t')[0]);
}
