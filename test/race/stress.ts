/** Several processes that warm, read, evict, verify and push on one cache directory, and what they left behind. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { openCache } from '../../src/index.ts';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';

const LIBRARY = new URL('../../dist/index.js', import.meta.url).href;
const CHILD = fileURLToPath(new URL('./stress-child.ts', import.meta.url));
const MIB = 1024 * 1024;

export interface StressOptions {
  readonly processes: number;
  readonly durationMs: number;
  readonly seed: number;
  /** One process after the other is killed with -9 and started again so often. Default: none is. */
  readonly killEveryMs?: number;
}

export interface Sample {
  readonly cycles: number;
  readonly rssBytes: number;
  readonly fds: number;
}

export interface StressReport {
  readonly errors: readonly string[];
  readonly counts: Readonly<Record<string, number>>;
  readonly kills: number;
  /** Final names whose content is another. */
  readonly corrupt: readonly string[];
  /** Temporary files, leases, locks and trash once all have ended and one more command ran. */
  readonly leftovers: readonly string[];
  /** Of each process that was not killed, in time. */
  readonly samples: readonly (readonly Sample[])[];
}

interface Line extends Partial<Sample> {
  readonly error?: string;
  readonly verb?: string;
  readonly counts?: Readonly<Record<string, number>>;
}

export async function stress({ processes, durationMs, seed, killEveryMs }: StressOptions): Promise<StressReport> {
  const home = await mkdtemp(join(tmpdir(), 'clipctl-stress-'));
  try {
    const cacheDir = join(home, 'cache');
    const images = await makeImages(home);
    const program = join(home, 'stress-child.mjs');
    await build({ entryPoints: [CHILD], outfile: program, bundle: true, platform: 'node', format: 'esm', target: 'node20' });
    const orders = { library: LIBRARY, cacheDir, images, remote: `file://${join(home, 'remote')}`, maxCacheBytes: 5 * MIB };
    const ends = performance.now() + durationMs;
    const run = (nth: number): Runner =>
      startChild(program, { ...orders, seed: seed + nth, durationMs: ends - performance.now() });
    const first = Array.from({ length: processes }, (_, nth) => run(nth));
    const all = [...first];
    const killer = killEveryMs === undefined ? undefined : killInTurn(all, { everyMs: killEveryMs, ends, run });
    await killer;
    await Promise.all(all.map(({ ended }) => ended));
    const lines = all.flatMap((child) => child.lines);
    return {
      errors: all.flatMap(problemsOf),
      counts: sumCounts(all),
      kills: all.length - first.length,
      corrupt: [...(await wrongFilesIn(cacheDir)), ...(await wrongFilesIn(join(home, 'remote')))],
      leftovers: lines.length === 0 ? ['nothing ran'] : await leftoversAfterOneMore(cacheDir, images),
      samples: all.filter(({ isKilled }) => !isKilled()).map((child) => child.lines.flatMap(sampleOf)),
    };
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

/** Four images over six layers of 0.2 to 3 MiB: each shares some, and all together are more than the cap. */
async function makeImages(home: string): Promise<string[]> {
  const layers = [3, 2, 1, 0.2, 2, 1.5].map((mib, nth): MadeLayer => {
    const bytes = Math.floor(mib * MIB);
    return { files: { [`layer-${nth}`]: seededContent(9000 + nth, bytes).slice(0, bytes) } };
  });
  const images: string[] = [];
  for (const [nth, of] of [
    [0, 1, 3],
    [0, 2],
    [4, 5, 3],
    [1, 4],
  ].entries()) {
    const chosen = of.flatMap((at) => layers[at] ?? []);
    images.push((await makeLayout(join(home, `image-${nth}`), chosen)).reference);
  }
  return images;
}

interface Runner {
  readonly lines: Line[];
  readonly ended: Promise<number | null>;
  readonly kill: () => void;
  readonly isKilled: () => boolean;
  /** What it said on stderr, and how it ended. */
  readonly complaints: string[];
}

function startChild(program: string, orders: object): Runner {
  const child = spawn(process.execPath, [program, JSON.stringify(orders)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: Line[] = [];
  const complaints: string[] = [];
  let isKilled = false;
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.endsWith('}')) lines.push(JSON.parse(line) as Line);
  });
  child.stderr.on('data', (piece: Buffer) => complaints.push(piece.toString()));
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      if (code !== 0 && !isKilled) complaints.push(`ended with ${code}`);
      resolve(code);
    });
  });
  const kill = (): void => {
    isKilled = child.kill('SIGKILL') || isKilled;
  };
  return { lines, complaints, ended, kill, isKilled: () => isKilled };
}

async function killInTurn(
  all: Runner[],
  { everyMs, ends, run }: { readonly everyMs: number; readonly ends: number; readonly run: (nth: number) => Runner },
): Promise<void> {
  for (let nth = 0; performance.now() + 3 * everyMs < ends; nth += 1) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    // The first lives on: its memory and descriptors are what is watched.
    const victim = all.slice(1).filter(({ isKilled }) => !isKilled())[0];
    if (victim === undefined) continue;
    victim.kill();
    await victim.ended;
    all.push(run(100 + nth));
  }
}

function problemsOf({ lines, complaints }: Runner): string[] {
  const said = lines.flatMap(({ verb, error }) => (error === undefined ? [] : [`${verb ?? ''}: ${error}`]));
  return [...said, ...complaints];
}

function sumCounts(all: readonly Runner[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const { lines } of all) {
    const last = lines.findLast(({ counts }) => counts !== undefined);
    for (const [verb, count] of Object.entries(last?.counts ?? {})) sums[verb] = (sums[verb] ?? 0) + count;
  }
  return sums;
}

function sampleOf({ cycles, rssBytes, fds }: Line): Sample[] {
  return cycles === undefined || rssBytes === undefined || fds === undefined ? [] : [{ cycles, rssBytes, fds }];
}

/** What killed processes left goes with the next command that touches the same layer. */
async function leftoversAfterOneMore(cacheDir: string, images: readonly string[]): Promise<string[]> {
  const cache = openCache({ cacheDir, minFreeBytes: 0 });
  await cache.warm({ images });
  await cache.prune();
  await cache.close();
  const left: string[] = [];
  for (const name of ['ingest', 'leases', 'locks', 'trash']) {
    const found = await readdir(join(cacheDir, '.clipctl/v1', name)).catch(() => []);
    left.push(...found.map((file) => `${name}/${file}`));
  }
  return left;
}
