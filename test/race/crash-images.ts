/** What the crash loop warms, over one registry, and the seeded points where it is killed. */
import { join } from 'node:path';
import { seededContent } from '../cache/seeded-content.ts';
import { runCli } from '../e2e/run-cli.ts';
import { halfNoise, makeMixedImage } from '../e2e/mixed-image.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import type { CrashCase, KillPoint } from './crash-loop.ts';

const MIB = 1024 * 1024;
/** So short that it is never read over several connections. */
const ONE_STREAM_BYTES = 15 * MIB;

/**
 * `many`: M of RELIABILITY §2. `mixed`: Z. `index`: large layers by parallel runs of an index. `ranges`: one slow one, by
 * pieces ahead. `unpaced`: faster than they are decoded. `noise`: one that gzip made no smaller, by two threads and unpaced.
 */
export const CRASH_KINDS = ['many', 'mixed', 'index', 'ranges', 'unpaced', 'noise'] as const;
/** Faster than any decoder. */
const UNPACED: readonly CrashKind[] = ['unpaced', 'noise'];
export type CrashKind = (typeof CRASH_KINDS)[number];

export interface CrashImages {
  readonly cases: Readonly<Record<CrashKind, CrashCase>>;
  close(): Promise<void>;
}

/** @param scale 1: the sizes of RELIABILITY §2 */
export async function serveCrashImages(directory: string, scale: number): Promise<CrashImages> {
  const many = Array.from({ length: 8 }, (_, at) => ({ files: { 'a.bin': halfNoise(scale * 32 * MIB, at + 1) } }));
  const layouts: Record<CrashKind, MadeLayout> = {
    many: await makeLayout(join(directory, 'many'), many),
    mixed: await makeMixedImage(join(directory, 'mixed'), scale * 32 * MIB),
    index: await makeMixedImage(join(directory, 'index'), Math.max(24, scale * 64) * MIB),
    ranges: await makeMixedImage(join(directory, 'ranges'), Math.max(24, scale * 64) * MIB, ['none']),
    unpaced: await makeMixedImage(join(directory, 'unpaced'), ONE_STREAM_BYTES),
    noise: await makeLayout(join(directory, 'noise'), [{ files: { 'a.bin': noise(Math.max(24, scale * 64) * MIB) } }]),
  };
  const repositories = Object.fromEntries(CRASH_KINDS.map((kind) => [kind, layouts[kind].directory]));
  const registry = await startLoopbackRegistry({ repositories });
  const clip = join(directory, 'image.clip');
  const indexing = ['index', `${registry.host}/index:v1`, '-o', clip, '--cache-dir', join(directory, 'cache')];
  const { code, stderr } = await runCli(indexing, { env: { PATH: process.env['PATH'] ?? '', HOME: directory } });
  if (code !== 0) throw new Error(stderr);
  registry.script = ({ path }) =>
    path.includes('/blobs/') && !UNPACED.some((kind) => path.includes(`/${kind}/`))
      ? { bytesPerSecond: speedOf(path) }
      : undefined;
  const caseOf = (kind: CrashKind): CrashCase => ({
    registry,
    image: kind === 'index' ? clip : `${registry.host}/${kind}:v1`,
    layers: layouts[kind].layers,
  });
  return {
    cases: Object.fromEntries(CRASH_KINDS.map((kind) => [kind, caseOf(kind)])) as CrashImages['cases'],
    close: () => registry.close(),
  };
}

/** Nothing that can be packed, the same each time. */
function noise(sizeBytes: number): Buffer {
  return Buffer.from(seededContent(7, sizeBytes).slice(0, sizeBytes));
}

/** Of each answer. What is slower than 12 MiB/s is read over several connections. */
function speedOf(path: string): number {
  return path.includes('/ranges/') ? 10_000_000 : 24 * MIB;
}

/** Calls that a warm is made of, and how many of each one of its threads makes for a layer, about. */
const CALLS: readonly (readonly [string, number])[] = [
  ['pwrite64', 2],
  ['pwritev', 14],
  ['fchmod', 1],
  ['fsync', 2],
  ['fdatasync', 1],
  ['link', 2],
  ['rename', 1],
  ['unlink', 4],
  ['rmdir', 1],
  ['mkdir', 1],
];

/** Half of the points are bytes, half are calls: from the first write over the publish to the clean-up. */
export function killPoint(seed: number, { layers }: CrashCase): KillPoint {
  let state = Math.imul(seed + 1, 2_654_435_761) >>> 0;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  random(1);
  if (seed % 2 === 0) {
    const allBytes = layers.reduce((sum, { compressedBytes }) => sum + compressedBytes, 0);
    return { kind: 'bytes', bytes: random(allBytes) };
  }
  const [call, most] = CALLS[random(CALLS.length)] ?? ['fsync', 1];
  return { kind: 'call', call, nth: 1 + random(most * layers.length) };
}
