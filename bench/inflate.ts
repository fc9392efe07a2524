/**
 * How fast gzip layers are inflated: the kernel and its peers side by side, in turns, in processes of their own. CPU time
 * (user and system), the least of all rounds; MB of output a CPU second. `node bench/run.js inflate [--rounds 5] [--mib 400]`
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeData, type DataSet } from './data.ts';

const HERE = dirname(fileURLToPath(import.meta.url));
const NODE_PEERS = [
  'kernel',
  'kernel+crc',
  'kernel, checkpoints 1 MiB apart, windows copied',
  'kernel, checkpoints 4 MiB apart, windows copied',
  'kernel, checkpoints 4 MiB apart, windows packed',
  'kernel, spans of 4 MiB from checkpoints',
  'node:zlib handle, 256 KiB',
  'createGunzip, default',
  'createGunzip, chunkSize 1 MiB',
];
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'igzip -dc': ['igzip', '-dc'],
  'gzip -dc': ['gzip', '-dc'],
  'pigz -dc': ['pigz', '-dc'],
};
const GO = 'Go compress/gzip';
const GO_SOURCE = `package main

import ("compress/gzip"; "io"; "os")

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil { panic(err) }
	reader, err := gzip.NewReader(file)
	if err != nil { panic(err) }
	if _, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, reader, make([]byte, 1<<18)); err != nil { panic(err) }
}
`;

interface Measured {
  readonly cpuMs: number;
  readonly bytes?: number;
  readonly checkpoints?: number;
  readonly windowBytes?: number;
}

function measureNode(peer: string, path: string): Measured {
  const output = execFileSync(process.execPath, [join(HERE, 'inflate-peer.js'), peer, path], { encoding: 'utf8' });
  return JSON.parse(output) as Measured;
}

/** CPU time of the children that ended, in ticks of 10 ms. */
function childrenMs(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) * 10;
}

function measureProgram(command: readonly string[], path: string): Measured | undefined {
  const before = childrenMs();
  const [program = '', ...args] = command;
  const { error, status } = spawnSync(program, [...args, path], { stdio: ['ignore', 'ignore', 'ignore'] });
  return error === undefined && status === 0 ? { cpuMs: childrenMs() - before } : undefined;
}

function buildGo(): string | undefined {
  const folder = join(HERE, 'go-gunzip');
  const program = join(folder, 'gunzip');
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'main.go'), GO_SOURCE);
  const { error, status } = spawnSync('go', ['build', '-o', program, join(folder, 'main.go')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return error === undefined && status === 0 ? program : undefined;
}

function measureAll(data: DataSet, rounds: number): Map<string, Measured> {
  const best = new Map<string, Measured>();
  const go = buildGo();
  const programs: Readonly<Record<string, readonly string[]>> = { ...PROGRAMS, ...(go === undefined ? {} : { [GO]: [go] }) };
  for (let round = 0; round < rounds; round++) {
    for (const peer of [...NODE_PEERS, ...Object.keys(programs)]) {
      const command = programs[peer];
      const measured = command === undefined ? measureNode(peer, data.path) : measureProgram(command, data.path);
      const before = best.get(peer);
      if (measured !== undefined && (before === undefined || measured.cpuMs < before.cpuMs)) best.set(peer, measured);
    }
  }
  return best;
}

function report(data: DataSet, best: Map<string, Measured>): object {
  const kernel = best.get('kernel')!;
  const bytes = kernel.bytes ?? 0;
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`\n${data.name}: ${data.files} files, ${mb(bytes)} MB, gzip -6: ${mb(data.compressedBytes)} MB`);
  say(`${'MB/s of CPU'.padStart(12)} ${'kernel is'.padStart(10)}`);
  for (const [peer, { cpuMs }] of best) {
    say(`${(bytes / cpuMs / 1000).toFixed(0).padStart(12)} ${`${(cpuMs / kernel.cpuMs).toFixed(2)}x`.padStart(10)}  ${peer}`);
  }
  const packed = best.get('kernel, checkpoints 4 MiB apart, windows packed');
  const share = ((packed?.windowBytes ?? 0) / data.compressedBytes) * 100;
  say(`windows of ${packed?.checkpoints ?? 0} checkpoints: ${share.toFixed(3)} % of the compressed size`);
  const missing = [...Object.keys(PROGRAMS), GO].filter((peer) => !best.has(peer));
  if (missing.length > 0) say(`not installed: ${missing.join(', ')}`);
  return {
    data: data.name,
    files: data.files,
    bytes,
    compressedBytes: data.compressedBytes,
    windowShare: share,
    peers: Object.fromEntries(best),
  };
}

function mb(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}

const { values } = parseArgs({ options: { rounds: { type: 'string' }, mib: { type: 'string' }, data: { type: 'string' } } });
const folder = values.data ?? join(HERE, 'data');
const results = ['lib', 'small'].map((name) => {
  const data = makeData(folder, name, Number(values.mib ?? 400) * 2 ** 20);
  return report(data, measureAll(data, Number(values.rounds ?? 5)));
});
writeFileSync(join(HERE, 'inflate.json'), `${JSON.stringify(results, undefined, 2)}\n`);
