/** Memory of `clipctl push-cache` by the size of a layer: what waits, and what the process takes over an idle one. */
import { execFile } from 'node:child_process';
import { freemem, tmpdir } from 'node:os';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { makeLargeLayout } from '../../test/servers/large-layout.ts';
import { standingOf, type BenchContext, type Claim, type Heat, type Target } from '../claim.ts';
import type { Contestant, Missing } from '../measure/contestant.ts';
import { interleave, type Standing } from '../measure/interleave.ts';
import { FILE, REDIS, S3, type RemoteKind } from '../peers/remote-kinds.ts';

const MB = 1_000_000;
const MIB = 1024 * 1024;
const IDLE = 'idle: clipctl inspect';
const BUDGET_MIB = 32;
/** Two runs of the same differ by so much. */
const FLAT_MIB = 16;
const run = promisify(execFile);

interface Layers {
  readonly name: string;
  readonly layerBytes: number;
  readonly layers: number;
}

const LAYERS: readonly Layers[] = [
  { name: '1 layer of 100 MB', layerBytes: 100 * MB, layers: 1 },
  { name: '1 layer of 1 GB', layerBytes: 1000 * MB, layers: 1 },
  { name: '1 layer of 10 GB', layerBytes: 10_000 * MB, layers: 1 },
  { name: '20 layers of 50 MB at once', layerBytes: 50 * MB, layers: 20 },
];

/** What the client of a server may take comes on top. */
const KINDS = [
  { kind: FILE, boundMiB: 64 },
  { kind: S3, boundMiB: 112 },
  { kind: REDIS, boundMiB: 112 },
];

interface Pushed extends Layers {
  /** `oci:DIRECTORY:TAG`, every layer of it on disk. */
  readonly reference: string;
}

export const push: Claim = {
  name: 'push',
  title: 'Memory of push-cache by the size of a layer',
  measure: async (context) => {
    const cacheDir = await mkdtemp(join(tmpdir(), 'clipctl-bench-push-'));
    try {
      const images: Pushed[] = [];
      for (const layers of LAYERS) images.push(await warmed(context, layers, cacheDir));
      const heats: Heat[] = [];
      for (const { kind } of KINDS) heats.push(await heatOf(context, kind, { images, cacheDir }));
      const targets = KINDS.flatMap(({ boundMiB }, at) => targetsOf(heats[at]!, boundMiB));
      return { heats, targets, plots: [] };
    } finally {
      await rm(cacheDir, { recursive: true, force: true });
    }
  },
};

async function warmed({ clipctl, data }: BenchContext, layers: Layers, cacheDir: string): Promise<Pushed> {
  const layerBytes = Math.max(1, Math.round(layers.layerBytes * data.scale));
  const name = `push-${layers.layers}-of-${layers.layerBytes / MB}.layout`;
  const folder = await data.keep(name, async (target) => {
    await makeLargeLayout(target, layerBytes, layers);
  });
  const reference = `oci:${folder}:v1`;
  const [program = '', ...args] = clipctl('warm', reference, '--cache-dir', cacheDir, '--json');
  await run(program, args);
  return { ...layers, reference };
}

interface Field {
  readonly images: readonly Pushed[];
  readonly cacheDir: string;
}

/** A server for each image: what it was sent before is no part of its own memory, nor of this machine's. */
async function heatOf(context: BenchContext, kind: RemoteKind, { images, cacheDir }: Field): Promise<Heat> {
  const idle = images[0]!.reference;
  const missing: Missing[] = [];
  // The most of three: what a process that does nothing takes varies by some MiB.
  const standings = [
    ...(await race(context, 3, { name: IDLE, isOurs: true, command: () => context.clipctl('inspect', idle, '--json') })),
  ];
  for (const image of images) {
    const reason = kind.missing ?? (kind === REDIS ? tooLarge(image, context.data.scale) : undefined);
    if (reason !== undefined) {
      missing.push({ name: image.name, reason });
      continue;
    }
    const server = await kind.start();
    const flags = ['--cache-dir', cacheDir, '--jobs', String(image.layers), '--json'];
    const command = (folder: string): readonly string[] => [
      ...server.login,
      ...context.clipctl('push-cache', image.reference, '--to', server.freshUrl(folder), ...flags),
    ];
    try {
      standings.push(...(await race(context, 1, { name: image.name, isOurs: true, command })));
    } finally {
      await server.close();
    }
  }
  return { title: `to ${kind.name}`, data: 'entries of 4 MB, of which 64 kB are random, else zeros', standings, missing };
}

function race({ tell }: BenchContext, runs: number, contestant: Contestant): Promise<readonly Standing[]> {
  return interleave([contestant], { runs, onRun: tell });
}

/** What is stored in Redis is in memory. */
function tooLarge({ layerBytes, layers }: Layers, scale: number): string | undefined {
  const needed = 1.2 * layerBytes * layers * scale;
  return freemem() > needed ? undefined : `it takes ${Math.round(needed / MB)} MB of free memory`;
}

function targetsOf({ title, standings }: Heat, boundMiB: number): Target[] {
  const idleBytes = standingOf(standings, IDLE).peakRssBytes ?? 0;
  const pushed = standings.filter(({ name }) => name !== IDLE);
  const grown = (standing: Standing | undefined): number | undefined =>
    standing?.peakRssBytes === undefined ? undefined : Math.round((standing.peakRssBytes - idleBytes) / MIB);
  const [least, most] = [LAYERS[0]!.name, LAYERS[2]!.name].map((name) => grown(pushed.find((each) => each.name === name)));
  return [
    ...pushed.flatMap((standing): Target[] => [
      { ...atMost(`${title}, ${standing.name}`, BUDGET_MIB, 'MiB buffered'), value: bufferedMiB(standing) },
      { ...atMost(`${title}, ${standing.name}`, boundMiB, 'MiB over idle'), value: grown(standing) },
    ]),
    {
      ...atMost(`${title}, 10 GB`, FLAT_MIB, 'MiB over 100 MB'),
      value: least === undefined || most === undefined ? undefined : most - least,
    },
  ];
}

function atMost(what: string, bound: number, unit: string): Pick<Target, 'text' | 'kind' | 'bound'> {
  return { text: `${what}: at most ${bound} ${unit}`, kind: 'at most', bound };
}

/** The most of all runs, as the command says it. */
function bufferedMiB({ samples }: Standing): number {
  return Math.max(...samples.map(({ report }) => Number(report['peakBufferedBytes']) / MIB));
}
