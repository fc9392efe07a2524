/** The benchmarks on next to no data: that they run and agree, never how fast. */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Field } from '../../bench/peers/peers.ts';
import { drawPlot } from '../../bench/report/bar-plot.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Results {
  readonly [claim: string]: {
    readonly machine: { readonly node: string };
    readonly heats: readonly { readonly standings: readonly { readonly name: string; readonly allCpuMs: readonly number[] }[] }[];
    readonly targets: readonly { readonly text: string; readonly value?: number }[];
  };
}

let out: string;
beforeAll(async () => {
  out = await mkdtemp(join(tmpdir(), 'clipctl-bench-test-'));
});
afterAll(() => rm(out, { recursive: true, force: true }));

function runBench(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    // TMPDIR keeps the data of this test apart from those of figures.
    const env = { ...process.env, TMPDIR: out };
    const child = spawn(process.execPath, ['scripts/bench.js', ...args], { cwd: ROOT, env, timeout: 120_000 });
    const pieces = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => (pieces.stdout += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (pieces.stderr += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...pieces }));
  });
}

describe('npm run bench', () => {
  it('measures a claim, prints its table and keeps results and plots', { timeout: 180_000 }, async () => {
    const { code, stdout, stderr } = await runBench('tar-scan', '--scale', '0.005', '--runs', '2', '--out', out);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain('tar-stream');
    const results = JSON.parse(await readFile(join(out, 'results.json'), 'utf8')) as Results;
    const measured = results['tar-scan']!;
    expect(measured.machine.node).toBe(process.version);
    expect(measured.heats[0]!.standings.map(({ allCpuMs }) => allCpuMs.length)).toEqual([2, 2, 2, 2]);
    expect(measured.targets.every(({ value }) => value !== undefined && value > 0)).toBe(true);
    expect(await readdir(join(out, 'plots'))).toEqual(['tar-scan.svg']);
  });

  it('refuses a claim it does not know, and to keep figures of scaled data', { timeout: 120_000 }, async () => {
    const unknown = await runBench('speed-of-light');
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain('there are: inflate, checkpoints');
    const scaled = await runBench('tar-scan', '--scale', '0.005');
    expect(scaled.stderr).toContain('give --out too');
  });
});

describe('a peer that is not installed', () => {
  it('is named as missing, and runs no race', async () => {
    const field = new Field({ find: () => undefined, go: () => Promise.resolve({ reason: 'Go is not installed' }) });
    field.addProgram('igzip', '-dc', 'layer.gz');
    await field.addGo('Go compress/gzip', 'gunzip', 'std', 'layer.gz');
    expect(field.contestants).toEqual([]);
    expect(field.missing).toEqual([
      { name: 'igzip -dc', reason: 'not on the PATH' },
      { name: 'Go compress/gzip', reason: 'Go is not installed' },
    ]);
  });
});

describe('a plot', () => {
  it('is as wide as its values and escapes names', () => {
    const bars = [
      { name: 'a <b> & "c"', value: 100, isOurs: true },
      { name: 'half', value: 50, isOurs: false },
    ];
    const svg = drawPlot({ title: 'T', unit: 'MB/s', bars });
    expect(svg).toContain('a &#60;b&#62; &#38; &#34;c&#34;');
    const widths = [...svg.matchAll(/<rect [^>]*width="(\d+)"/g)].map((match) => Number(match[1]));
    expect(widths[1]).toBe(widths[0]! / 2);
  });
});
