/**
 * RELIABILITY §2 row 1, §4.2: the built command is killed with -9 at a seeded point, what it left is looked at, and the same
 * command is run again. Bytes are those that the registry served.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import type { WrittenLayer } from '../servers/layout-writer.ts';
import type { LoopbackRegistry, RecordedRequest } from '../servers/loopback-registry.ts';
import { bytesOf, overlapOf, takenOf } from './stretches.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
/** A bound against hangs. */
const HANG_MS = 120_000;
const JOBS = 2;

/** Where it is killed: when it has taken so many bytes, or behind the how manyeth call of a kind that one thread makes. */
export type KillPoint =
  { readonly kind: 'bytes'; readonly bytes: number } | { readonly kind: 'call'; readonly call: string; readonly nth: number };

export interface CrashCase {
  readonly registry: LoopbackRegistry;
  /** What is warmed: a reference or an index. */
  readonly image: string;
  readonly layers: readonly WrittenLayer[];
}

export interface LayerAfter {
  /** It had its final name when the command was killed. */
  readonly wasFinished: boolean;
  /** Served after the kill. */
  readonly servedAfterwards: number;
  /** Served in all, beyond the size of the layer. */
  readonly servedTwice: number;
  /** What the process had taken when it was killed, and the next one asked for again. */
  readonly lost: number;
  /** What lay in the sockets when it was killed: it never had it. */
  readonly unreadAtKill: number;
  /** Served twice to one process, which left a connection before it had read all. */
  readonly leftBehind: number;
}

export interface CrashReport {
  /** False: the command ended before it came to the point. */
  readonly isKilled: boolean;
  /** Final names whose content is another, after the kill and after the next run. */
  readonly wrong: readonly string[];
  /** The most directories in `ingest/` that one layer had after the kill. */
  readonly temporariesOfOneLayer: number;
  readonly temporaries: number;
  readonly nextCode: number | null;
  readonly nextStderr: string;
  readonly nextLayers: number;
  readonly layers: readonly LayerAfter[];
  /** What the next run left in the directories for work under way. */
  readonly leftovers: readonly string[];
}

/** One kill, and one run after it. */
export async function crash(target: CrashCase, point: KillPoint): Promise<CrashReport> {
  const home = await mkdtemp(join(tmpdir(), 'clipctl-crash-'));
  try {
    return await crashIn(home, target, point);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

async function crashIn(home: string, target: CrashCase, point: KillPoint): Promise<CrashReport> {
  const { registry, image, layers } = target;
  const cacheDir = join(home, 'cache');
  const flags = ['--cache-dir', cacheDir, '--min-free', '0', '--jobs', String(JOBS), '--progress', 'none'];
  const command = [process.execPath, BIN, 'warm', image, ...flags];
  const from = registry.requests.length;
  const reached = await runAndKill(command, { home, point, registry });
  const finished = await cachedLayers({ cacheDir });
  const wrong = await wrongFilesIn(cacheDir);
  const temporaries = await ingestsIn(cacheDir);
  const until = registry.requests.length;
  const next = await runToEnd(command, home);
  return {
    isKilled: reached !== undefined,
    wrong: [...wrong, ...(await wrongFilesIn(cacheDir))],
    temporariesOfOneLayer: mostOfOneLayer(temporaries),
    temporaries: temporaries.length,
    ...next,
    nextLayers: (await cachedLayers({ cacheDir })).length,
    layers: layers.map((layer) => ({
      wasFinished: finished.includes(layer.diffId.slice('sha256:'.length)),
      ...accountOf(layer, { before: registry.requests.slice(from, until), after: registry.requests.slice(until), reached }),
    })),
    leftovers: await leftoversIn(cacheDir),
  };
}

interface Runs {
  readonly before: readonly RecordedRequest[];
  readonly after: readonly RecordedRequest[];
  readonly reached: Reached | undefined;
}

function accountOf({ digest, compressedBytes }: WrittenLayer, runs: Runs): Omit<LayerAfter, 'wasFinished'> {
  const isOurs = ({ path }: RecordedRequest): boolean => path.endsWith(digest);
  const [before, after] = [runs.before.filter(isOurs), runs.after.filter(isOurs)];
  const reached = new Map([...(runs.reached ?? [])].filter(([request]) => before.includes(request)));
  const [taken, takenAfterwards] = [takenOf(before, reached), takenOf(after, new Map())];
  const unreadAtKill = sumOf([...reached].map(([{ bytesServed }, bytes]) => bytesServed - bytes));
  const servedAfterwards = servedBy(after);
  const servedTwice = servedBy(before) + servedAfterwards - compressedBytes;
  const lost = overlapOf(taken, takenAfterwards);
  const leftBehind = servedBy(before) - unreadAtKill - bytesOf(taken) + servedAfterwards - bytesOf(takenAfterwards);
  return { servedAfterwards, servedTwice, lost, unreadAtKill, leftBehind };
}

function servedBy(requests: readonly RecordedRequest[]): number {
  return sumOf(requests.map(({ bytesServed }) => bytesServed));
}

function sumOf(sizes: readonly number[]): number {
  return sizes.reduce((sum, bytes) => sum + bytes, 0);
}

interface Killing {
  readonly home: string;
  readonly point: KillPoint;
  readonly registry: LoopbackRegistry;
}

/** Bytes of each answer under way that the process had. */
type Reached = ReadonlyMap<RecordedRequest, number>;

/** Stops the process at the point, sees what it has read, and kills it. Undefined: it ended by itself before. */
async function runAndKill(command: readonly string[], { home, point, registry }: Killing): Promise<Reached | undefined> {
  const trace = join(home, 'trace');
  const started = start(point.kind === 'bytes' ? command : [...stopping(point, trace), ...command], home);
  const { child, ended } = started;
  const pid = await (point.kind === 'bytes' ? stopAtBytes(started, registry, point.bytes) : stoppedProcess(started, trace));
  if (pid === undefined) {
    await ended;
    return undefined;
  }
  await allThreadsStopped(pid);
  const reached = registry.reached();
  process.kill(pid, 'SIGKILL');
  await ended;
  return child.exitCode === null ? reached : undefined;
}

/** Without --seccomp-bpf: with it strace 6.1 counts calls and sends no signal. */
function stopping({ call, nth }: Extract<KillPoint, { kind: 'call' }>, trace: string): string[] {
  return ['strace', '-f', '-qq', '-e', `trace=${call}`, '-e', `inject=${call}:signal=SIGSTOP:when=${nth}`, '-o', trace];
}

async function stopAtBytes({ child }: Started, registry: LoopbackRegistry, bytes: number): Promise<number | undefined> {
  const until = registry.bytesServed + bytes;
  const hasEnded = (): boolean => child.exitCode !== null;
  while (!hasEnded() && registry.bytesServed < until) await sleep(1);
  // The kernel may hold more than all layers of a small image.
  while (!hasEnded() && registry.bytesServed - unreadIn(registry) < until) await sleep(10);
  return !hasEnded() && child.kill('SIGSTOP') ? child.pid : undefined;
}

function unreadIn(registry: LoopbackRegistry): number {
  return sumOf([...registry.reached()].map(([{ bytesServed }, bytes]) => bytesServed - bytes));
}

/** As strace tells: any of its threads stands for the process. */
async function stoppedProcess({ child }: Started, trace: string): Promise<number | undefined> {
  while (child.exitCode === null) {
    const line = /^(\d+) +--- stopped by SIGSTOP ---$/m.exec(await readFile(trace, 'latin1').catch(() => ''));
    if (line !== null) return Number(line[1]);
    await sleep(10);
  }
  return undefined;
}

async function allThreadsStopped(pid: number): Promise<void> {
  for (;;) {
    const threads = await readdir(`/proc/${pid}/task`);
    const states = await Promise.all(threads.map((each) => readFile(`/proc/${pid}/task/${each}/stat`, 'latin1')));
    if (states.every((stat) => /\) [Tt] /.test(stat))) return;
    await sleep(2);
  }
}

interface Started {
  readonly child: ChildProcess;
  readonly stderr: () => string;
  readonly ended: Promise<unknown>;
}

function start([file = '', ...args]: readonly string[], home: string): Started {
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    LANG: 'C.UTF-8',
    // One thread for the file system: strace counts the calls of each.
    ...(file === 'strace' && { UV_THREADPOOL_SIZE: '1' }),
  };
  const child = spawn(file, args, { env, timeout: HANG_MS, killSignal: 'SIGKILL', stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (piece: Buffer) => (stderr += piece.toString()));
  return { child, stderr: () => stderr, ended: once(child, 'close') };
}

async function runToEnd(command: readonly string[], home: string): Promise<{ nextCode: number | null; nextStderr: string }> {
  const { child, stderr, ended } = start(command, home);
  await ended;
  return { nextCode: child.exitCode, nextStderr: stderr() };
}

async function ingestsIn(cacheDir: string): Promise<string[]> {
  return readdir(join(cacheDir, '.clipctl/v1/ingest')).catch(() => []);
}

function mostOfOneLayer(names: readonly string[]): number {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name.slice(0, 64), (counts.get(name.slice(0, 64)) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

async function leftoversIn(cacheDir: string): Promise<string[]> {
  const left: string[] = [];
  for (const name of ['ingest', 'leases', 'locks', 'trash']) {
    const found = await readdir(join(cacheDir, '.clipctl/v1', name)).catch(() => []);
    left.push(...found.map((file) => `${name}/${file}`));
  }
  return left;
}
