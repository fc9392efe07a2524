/** One system call of a warm fails; then the same warm again, without. RELIABILITY §2 row 3, §4.3. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wrongFilesIn } from '../cache/cache-directory.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const PRELOAD = fileURLToPath(new URL('./fail-file-calls.js', import.meta.url));
const HANG_MS = 60_000;

export interface Fault {
  readonly call: string;
  readonly errno: string;
  /** The how manyeth call of a thread fails. */
  readonly nth: number;
  /**
   * Absent: strace makes it fail, in all threads. That is for calls that node itself never makes: a failing open, read or
   * write would break node, not clipctl. Those are made to fail in node, for files of the cache directory alone.
   */
  readonly thread?: 'main' | 'worker';
}

export interface FaultyWarm {
  readonly image: string;
  /** Flags of both warms. */
  readonly flags?: readonly string[];
  /** Brings the cache directory into the state that the warm begins with. */
  readonly before?: (cacheDir: string) => Promise<void>;
}

export interface FaultReport {
  /** False: there were not so many calls. */
  readonly isInjected: boolean;
  readonly code: number;
  readonly stderr: string;
  readonly tookMs: number;
  readonly cacheDir: string;
  readonly layers: number;
  readonly wrong: readonly string[];
  /** Of the warm that follows. */
  readonly nextCode: number;
  readonly nextLayers: number;
  readonly nextWrong: readonly string[];
  /** What both have left in the directories for work under way. */
  readonly leftovers: readonly string[];
}

export async function warmWithFault({ image, flags = [], before }: FaultyWarm, fault: Fault): Promise<FaultReport> {
  const home = await mkdtemp(join(tmpdir(), 'clipctl-fault-'));
  const cacheDir = join(home, 'cache');
  const trace = join(home, 'trace');
  const warm = [BIN, 'warm', image, '--progress', 'none', '--min-free', '0', '--cache-dir', cacheDir, ...flags];
  try {
    await before?.(cacheDir);
    const faulty = fault.thread === undefined ? traced(fault, trace) : preloaded(fault, { trace, cacheDir });
    const startedAt = performance.now();
    const { code, stderr } = await run([...faulty.command, ...warm], home, faulty.env);
    const tookMs = performance.now() - startedAt;
    const isInjected = (await readFile(trace, 'utf8').catch(() => '')).includes(faulty.mark);
    const seen = {
      isInjected,
      code,
      stderr,
      tookMs,
      cacheDir,
      layers: await layersIn(cacheDir),
      wrong: await wrongFilesIn(cacheDir),
    };
    const next = await run([process.execPath, ...warm], home);
    return {
      ...seen,
      nextCode: next.code,
      nextLayers: await layersIn(cacheDir),
      nextWrong: await wrongFilesIn(cacheDir),
      leftovers: await leftoversIn(cacheDir),
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

interface FaultyNode {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** What stands in the trace when the call has failed. */
  readonly mark: string;
}

function traced({ call, errno, nth }: Fault, trace: string): FaultyNode {
  // Without the filter every call of every thread would stop twice: seconds, which would be taken for the product's.
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${errno}:when=${nth}`];
  return {
    command: ['strace', '-f', '--seccomp-bpf', '-qq', ...inject, '-o', trace, process.execPath],
    env: {},
    mark: '(INJECTED)',
  };
}

function preloaded(
  { call, errno, nth, thread }: Fault,
  { trace, cacheDir }: { readonly trace: string; readonly cacheDir: string },
): FaultyNode {
  const env = { FAULT_CALL: `${call}:${errno}:${nth}:${thread ?? ''}`, FAULT_UNDER: cacheDir, FAULT_LOG: trace };
  return { command: [process.execPath, '--import', PRELOAD], env, mark: `${call} ` };
}

function run(
  [file = '', ...args]: readonly string[],
  home: string,
  more: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stderr: string }> {
  // One thread for the file system: strace counts the calls of each.
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, UV_THREADPOOL_SIZE: '1', ...more };
  return new Promise((resolve) => {
    const child = execFile(file, args, { env, timeout: HANG_MS, killSignal: 'SIGKILL' }, (_error, _stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stderr });
    });
  });
}

async function layersIn(cacheDir: string): Promise<number> {
  const names = await readdir(cacheDir).catch(() => []);
  return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).length;
}

async function leftoversIn(cacheDir: string): Promise<string[]> {
  const left: string[] = [];
  for (const name of ['ingest', 'leases', 'locks', 'trash']) {
    const found = await readdir(join(cacheDir, '.clipctl/v1', name)).catch(() => []);
    left.push(...found.map((file) => `${name}/${file}`));
  }
  return left;
}
