/**
 * RELIABILITY §2 row 1, §4.2: the built command is killed with -9 at a seeded point, what it left is looked at, and the same
 * command is run again. Bytes are those that the registry served.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { cachedLayers } from '../e2e/cache-state.ts';
import { servedOf } from '../e2e/mixed-image.ts';
import type { WrittenLayer } from '../servers/layout-writer.ts';
import type { LoopbackRegistry } from '../servers/loopback-registry.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
/** A bound against hangs. */
const HANG_MS = 120_000;
const JOBS = 2;

/** Where it is killed: when so many bytes were served, or in the how manyeth call of a kind that one thread makes. */
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
  const served = (): number[] => layers.map(({ digest }) => servedOf(registry, digest));
  const atFirst = served();
  const isKilled = await runAndKill(command, { home, point, registry });
  const finished = await cachedLayers({ cacheDir });
  const wrong = await wrongFilesIn(cacheDir);
  const temporaries = await ingestsIn(cacheDir);
  const atKill = served();
  const next = await runToEnd(command, home);
  return {
    isKilled,
    wrong: [...wrong, ...(await wrongFilesIn(cacheDir))],
    temporariesOfOneLayer: mostOfOneLayer(temporaries),
    temporaries: temporaries.length,
    ...next,
    nextLayers: (await cachedLayers({ cacheDir })).length,
    layers: served().map((bytes, at) => ({
      wasFinished: finished.includes(layers[at]?.diffId.slice('sha256:'.length) ?? ''),
      servedAfterwards: bytes - (atKill[at] ?? 0),
      servedTwice: bytes - (atFirst[at] ?? 0) - (layers[at]?.compressedBytes ?? 0),
    })),
    leftovers: await leftoversIn(cacheDir),
  };
}

interface Killing {
  readonly home: string;
  readonly point: KillPoint;
  readonly registry: LoopbackRegistry;
}

/** False when it ended by itself. */
async function runAndKill(command: readonly string[], { home, point, registry }: Killing): Promise<boolean> {
  if (point.kind === 'call') {
    const inject = ['-e', `trace=${point.call}`, '-e', `inject=${point.call}:signal=SIGKILL:when=${point.nth}`];
    const { nextCode } = await runToEnd(['strace', '-f', '-qq', '--seccomp-bpf', ...inject, '-o', '/dev/null', ...command], home);
    return nextCode !== 0;
  }
  const until = registry.bytesServed + point.bytes;
  const { child, ended } = start(command, home);
  while (child.exitCode === null && registry.bytesServed < until) await sleep(1);
  child.kill('SIGKILL');
  await ended;
  return child.exitCode === null;
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
