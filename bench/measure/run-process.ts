/**
 * Runs one process and asks the kernel what it cost. Node does not tell what wait4 says of a child, so bash, which does,
 * stands between: its `time` counts milliseconds. GNU time adds the peak memory. Being small, both keep the memory of
 * this process out of the child's figure.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Contestant, Report, Sample } from './contestant.ts';

const GNU_TIME = '/usr/bin/time';
const hasGnuTime = process.platform === 'linux' && existsSync(GNU_TIME);

const TIMED = 'TIMEFORMAT="%3R %3U %3S"; { time "$@" 2>&3; } 3>&2 2>"$FIGURES"';

/** @throws Error when the process fails */
export async function runOnce(contestant: Contestant): Promise<Sample> {
  const folder = await mkdtemp(join(tmpdir(), 'clipctl-bench-run-'));
  const figures = `${folder}.figures`;
  const memory = `${folder}.memory`;
  try {
    const command = contestant.command(folder);
    const timed = hasGnuTime ? [GNU_TIME, '-q', '-f', '%M', '-o', memory, ...command] : command;
    const output = await runBash(timed, { figures, folder, isDropped: contestant.printsData === true });
    return toSample(output, await readFile(figures, 'utf8'), hasGnuTime ? await readFile(memory, 'utf8') : undefined);
  } catch (error) {
    throw new Error(`${contestant.name} failed`, { cause: error });
  } finally {
    await Promise.all([folder, figures, memory].map((path) => rm(path, { recursive: true, force: true })));
  }
}

function toSample(output: string, figures: string, memory: string | undefined): Sample {
  const [wall = NaN, user = NaN, system = NaN] = figures.trim().split(/\s+/).map(Number);
  const report = output.startsWith('{') ? (JSON.parse(output) as Report) : {};
  const processCpuMs = (user + system) * 1000;
  return {
    cpuMs: report.cpuMs ?? processCpuMs,
    wallMs: report.wallMs ?? wall * 1000,
    processCpuMs,
    peakRssBytes: memory === undefined ? undefined : Number(memory) * 1024,
    report,
  };
}

interface BashOptions {
  readonly figures: string;
  readonly folder: string;
  readonly isDropped: boolean;
}

function runBash(command: readonly string[], { figures, folder, isDropped }: BashOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', TIMED, 'bash', ...command], {
      stdio: ['ignore', isDropped ? 'ignore' : 'pipe', 'pipe'],
      env: { ...cleanEnvironment(), HOME: folder, FIGURES: figures },
    });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (piece: Buffer) => stdout.push(piece));
    child.stderr?.on('data', (piece: Buffer) => stderr.push(piece));
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(Buffer.concat(stdout).toString());
      else reject(new Error(`${command.join(' ')} ended with exit code ${code}: ${Buffer.concat(stderr).toString()}`));
    });
  });
}

/** Settings of this user's own clipctl are left out. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('CLIPCTL_')));
}
