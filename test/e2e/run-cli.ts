/** Runs the real command line, `node bin/run.js`, as a user's shell would, with a home of its own. */
import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { noteRun } from './failed-runs.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
/** A bound against hangs, not an expectation. */
const HANG_MS = 120_000;

export interface CliResult {
  /** Exit code; 128 + number when a signal ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** The one document that --json prints. @throws SyntaxError when stdout holds anything else */
  json<T = JsonDocument>(): T;
}

/** A JSON document of CLI.md, as a test reads it. */
export interface JsonDocument {
  readonly schemaVersion: number;
  readonly command: string;
  readonly error?: { readonly code: string; readonly message: string; readonly hint?: string };
  readonly peakBufferedBytes?: number;
  readonly peakRssBytes?: number;
  readonly [field: string]: unknown;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly input?: string;
  /** Ends the process like Ctrl-C or a supervisor would. */
  readonly signal?: AbortSignal;
  readonly killSignal?: NodeJS.Signals;
  /** Another user runs it; for tests that run as root. */
  readonly as?: RunAs;
  /** For what takes longer than the 120 s after which a run counts as hung. */
  readonly hangMs?: number;
}

export interface RunAs {
  readonly uid: number;
  readonly gid: number;
  readonly umask: number;
}

export interface Home {
  /** An empty directory; everything below goes with {@link Home.remove}. */
  readonly dir: string;
  readonly cacheDir: string;
  path(...names: readonly string[]): string;
  run(args: readonly string[], options?: RunOptions): Promise<CliResult>;
  remove(): Promise<void>;
}

/** A home without configuration, credentials or cache: nothing of this machine's user reaches the command. */
export async function makeHome(): Promise<Home> {
  const dir = await mkdtemp(join(tmpdir(), 'clipctl-e2e-'));
  const env = await makeEnvironment(dir);
  return {
    dir,
    cacheDir: join(dir, 'cache/clipctl'),
    path: (...names) => join(dir, ...names),
    run: (args, options = {}) => runCli(args, { cwd: dir, ...options, env: { ...env, ...options.env } }),
    remove: () => rm(dir, { recursive: true, force: true }),
  };
}

async function makeEnvironment(dir: string): Promise<Record<string, string>> {
  const homes = { HOME: 'home', XDG_CACHE_HOME: 'cache', XDG_CONFIG_HOME: 'config', XDG_RUNTIME_DIR: 'run', TMPDIR: 'tmp' };
  const env: Record<string, string> = {
    PATH: process.env['PATH'] ?? '',
    LANG: 'C.UTF-8',
    DOCKER_CONFIG: join(dir, 'home/.docker'),
  };
  for (const [name, child] of Object.entries(homes)) {
    env[name] = join(dir, child);
    await mkdir(join(dir, child), { mode: 0o700 });
  }
  return env;
}

/** Runs to the end; `env` is the whole environment. */
export function runCli(
  args: readonly string[],
  options: RunOptions & { env: Readonly<Record<string, string>> },
): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const { as } = options;
    const [program, ...rest] = [...(as === undefined ? [] : underUmask(as)), process.execPath, BIN, ...args] as [
      string,
      ...string[],
    ];
    const child = spawn(program, rest, {
      ...(as === undefined ? {} : { uid: as.uid, gid: as.gid }),
      cwd: options.cwd,
      env: options.env,
      timeout: options.hangMs ?? HANG_MS,
      killSignal: 'SIGKILL',
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr.on('data', (piece: Buffer) => stderr.push(piece));
    // The command may end without reading its input.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input ?? '');
    options.signal?.addEventListener('abort', () => child.kill(options.killSignal ?? 'SIGTERM'), { once: true });
    child.once('error', reject);
    child.once('close', (code, signal) => {
      const [said, told] = [Buffer.concat(stdout).toString(), Buffer.concat(stderr).toString()];
      const result = toResult(code ?? signalCode(signal), said, told);
      noteRun({ ...result, args });
      resolve(result);
    });
  });
}

/** The process is still the one that was started: signals reach it. */
function underUmask({ umask }: RunAs): string[] {
  return ['/bin/sh', '-c', `umask ${umask.toString(8)}; exec "$@"`, 'sh'];
}

function toResult(code: number, stdout: string, stderr: string): CliResult {
  return { code, stdout, stderr, json: <T>() => JSON.parse(stdout) as T };
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGPIPE: 13, SIGTERM: 15 };

function signalCode(signal: NodeJS.Signals | null): number {
  return 128 + (SIGNAL_NUMBERS[signal ?? ''] ?? 0);
}
