/** `clipctl cache verify --full` of two warm layers: every byte hashed, on one core and on all. */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { standingOf, type BenchContext, type Claim, type ClaimResult } from '../claim.ts';
import { twoLayerImage } from '../data/images.ts';
import type { Sample } from '../measure/contestant.ts';
import { interleave, type Standing } from '../measure/interleave.ts';

const ONE = 'clipctl cache verify --full --jobs 1';
const ALL = 'clipctl cache verify --full';
const QUICK = 'clipctl cache verify';
const SHA256SUM = 'sha256sum';
const GB_PER_S = 1e6;

export const cacheVerify: Claim = {
  name: 'cache-verify',
  title: 'Hashing the whole disk cache',
  measure: async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-bench-verify-'));
    try {
      return await measureIn(context, join(folder, 'cache'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function measureIn(context: BenchContext, cacheDir: string): Promise<ClaimResult> {
  const image = await twoLayerImage(context);
  const [program = '', ...args] = context.clipctl('warm', `oci:${image.layout}`, '--cache-dir', cacheDir, '--json');
  await promisify(execFile)(program, args);
  const layers = (await readdir(cacheDir)).filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name) => join(cacheDir, name));
  const verify = (...flags: string[]): readonly string[] =>
    context.clipctl('cache', 'verify', '--cache-dir', cacheDir, '--json', ...flags);
  const contestants = [
    { name: ONE, isOurs: true, command: () => verify('--full', '--jobs', '1') },
    { name: ALL, isOurs: true, command: () => verify('--full') },
    { name: QUICK, isOurs: true, command: () => verify() },
    { name: SHA256SUM, command: () => ['sha256sum', ...layers], printsData: true },
  ];
  const standings = (await interleave(contestants, { runs: context.runs, onRun: context.tell })).map(timedByItself);
  const [one, all] = [ONE, ALL].map((name) => standingOf(standings, name).wallMs);
  // What else a process does is the same.
  const hashingMs = standingOf(standings, ONE).processCpuMs - standingOf(standings, QUICK).processCpuMs;
  const targets = [
    {
      text: 'at least 1 GB a second of CPU, over the quick check of the same files',
      kind: 'at least' as const,
      bound: 1,
      value: image.bytes / GB_PER_S / hashingMs,
    },
    {
      text: 'two layers on two cores: at least 1.6 × the speed of one',
      kind: 'at least' as const,
      bound: 1.6,
      value: one! / all!,
    },
  ];
  const title = 'two layers of 400 MB, in the page cache';
  return { heats: [{ title, data: image.description, outputBytes: image.bytes, standings, missing: [] }], targets, plots: [] };
}

/** The command says itself how long the work took. */
function timedByItself(standing: Standing): Standing {
  const wallOf = ({ report, wallMs }: Sample): number =>
    typeof report['durationMs'] === 'number' ? report['durationMs'] : wallMs;
  return { ...standing, wallMs: Math.min(...standing.samples.map(wallOf)) };
}
