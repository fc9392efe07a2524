/** One system call of a warm fails, as strace makes it; then the same warm again, without. RELIABILITY §2 row 3, §4.3. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { wrongFilesIn } from '../cache/cache-directory.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const HANG_MS = 60_000;

export interface Fault {
  /** Only calls that node itself never makes: a failing open, read or write would break node, not clipctl. */
  readonly call: string;
  readonly errno: string;
  /** The how manyeth call of a thread fails. */
  readonly nth: number;
}

export interface FaultReport {
  /** False: there were not so many calls. */
  readonly isInjected: boolean;
  readonly code: number;
  readonly stderr: string;
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

export async function warmWithFault(image: string, { call, errno, nth }: Fault): Promise<FaultReport> {
  const home = await mkdtemp(join(tmpdir(), 'clipctl-fault-'));
  const cacheDir = join(home, 'cache');
  const trace = join(home, 'trace');
  const warm = [process.execPath, BIN, 'warm', image, '--progress', 'none', '--min-free', '0', '--cache-dir', cacheDir];
  const inject = ['-e', `trace=${call}`, '-e', `inject=${call}:error=${errno}:when=${nth}`];
  try {
    // One thread for the file system: strace counts the calls of each.
    const { code, stderr } = await run(['strace', '-f', '-qq', ...inject, '-o', trace, ...warm], home);
    const isInjected = (await readFile(trace, 'utf8')).includes('(INJECTED)');
    const seen = { isInjected, code, stderr, cacheDir, layers: await layersIn(cacheDir), wrong: await wrongFilesIn(cacheDir) };
    const next = await run(warm, home);
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

function run([file = '', ...args]: readonly string[], home: string): Promise<{ code: number; stderr: string }> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home, UV_THREADPOOL_SIZE: '1' };
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
