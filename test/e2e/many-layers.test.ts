/** Images of odd shapes through the command (RELIABILITY §2 row 21). */
import { spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLayout, writeImage, writeLayer, type WrittenLayer } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeHome, type Home } from './run-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const JOBS = 4;
const OPEN_FILES = 256;

let store: Home;
let registry: LoopbackRegistry;
/** Of manifests. */
const digests = new Map<string, string>();
let distinct: readonly WrittenLayer[];

/** Layers by the number of the distinct one. */
const IMAGES: Readonly<Record<string, readonly number[]>> = {
  'ten-thousand': Array.from({ length: 10_000 }, (_, at) => at % 40),
  many: Array.from({ length: 127 }, (_, at) => at),
  none: [],
  'five-times': [3, 3, 3, 3, 3],
  empty: [127],
  'one-byte': [128],
};

beforeAll(async () => {
  store = await makeHome();
  const directory = store.path('image');
  await createLayout(directory);
  const layers: WrittenLayer[] = [];
  for (let at = 0; at < 127; at++) layers.push(await writeLayer(directory, tarOf(at), at % 2 === 0 ? 'gzip' : 'zstd'));
  layers.push(
    await writeLayer(directory, Readable.from([]), 'none'),
    await writeLayer(directory, Readable.from([Buffer.from([7])]), 'none'),
  );
  distinct = layers;
  for (const [tag, numbers] of Object.entries(IMAGES)) {
    const digest = await writeImage(directory, {
      layers: numbers.flatMap((at) => layers[at] ?? []),
      tag,
      created: '2024-01-02T03:04:05Z',
    });
    digests.set(tag, digest);
  }
  registry = await startLoopbackRegistry({ repositories: { 'lab/odd': directory } });
}, 60_000);
afterAll(async () => {
  await registry.close();
  await store.remove();
});

/** One empty file named after the number, and the end of the archive. */
function tarOf(at: number): Readable {
  const header = Buffer.alloc(512);
  header.write(`file-${at}`, 0);
  header.write('0000644\0' + '0000000\0'.repeat(2) + '00000000000\0' + '14000000000\0' + '        0', 100, 'latin1');
  header.write('ustar\u000000', 257, 'latin1');
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return Readable.from([header, Buffer.alloc(1024)]);
}

interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The most descriptors that were seen open. */
  readonly mostFiles: number;
}

/** Under `ulimit -n`, with an eye on the open files. */
async function run(home: Home, ...args: readonly string[]): Promise<Run> {
  const line = `ulimit -n ${OPEN_FILES}; exec "$0" "$@"`;
  const env = { PATH: process.env['PATH'] ?? '', HOME: home.dir, TMPDIR: home.dir, LANG: 'C.UTF-8' };
  const flags = ['--cache-dir', home.cacheDir, '--jobs', String(JOBS), '--json'];
  const child = spawn('bash', ['-c', line, process.execPath, BIN, ...args, ...flags], { env, cwd: home.dir });
  const out = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => (out[name] += text));
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  let mostFiles = 0;
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;
  while (!isOver()) {
    mostFiles = Math.max(mostFiles, (await readdir(`/proc/${child.pid}/fd`).catch(() => [])).length);
    await sleep(5);
  }
  return { code: await ended, ...out, mostFiles };
}

describe.each(Object.keys(IMAGES))('row 21: the image %s', (tag) => {
  it('is warm with each digest fetched once, few open files', async () => {
    const home = await makeHome();
    const wanted = new Set(IMAGES[tag]?.map((at) => distinct[at] as WrittenLayer));
    const before = registry.requests.length;
    const warm = await run(home, 'warm', `${registry.host}/lab/odd@${digests.get(tag)}`);
    expect(warm.code, warm.stderr).toBe(0);
    const asked = registry.requests.slice(before).flatMap(({ path }) => (path.includes('/blobs/') ? path.split('/').at(-1) : []));
    expect(new Set(asked).size).toBe(asked.length);
    for (const { digest } of wanted) expect(asked).toContain(digest);
    const hashes = [...wanted].map(({ diffId }) => diffId.slice('sha256:'.length));
    expect(await cachedLayers(home)).toEqual(hashes.toSorted());
    expect(warm.mostFiles).toBeGreaterThan(0);
    expect(warm.mostFiles).toBeLessThanOrEqual(64 + 4 * JOBS);
    expect(await leftovers(home)).toEqual([]);
    const document = JSON.parse(warm.stdout) as { images: { layers: unknown[] }[]; totals: { layers: number } };
    expect(document.images[0]?.layers).toHaveLength(IMAGES[tag]?.length ?? -1);
    expect(document.totals.layers).toBe(wanted.size);
    await home.remove();
  });
});

it('row 21: the image of 127 layers is indexed with each digest fetched once and few open files', async () => {
  const home = await makeHome();
  const before = registry.requests.length;
  const index = await run(home, 'index', `${registry.host}/lab/odd@${digests.get('many')}`, '-o', join(home.dir, 'many.clip'));
  expect(index.code, index.stderr).toBe(0);
  const asked = registry.requests.slice(before).flatMap(({ path }) => (path.includes('/blobs/') ? path.split('/').at(-1) : []));
  expect(asked).toHaveLength(128);
  expect(new Set(asked).size).toBe(asked.length);
  expect(index.mostFiles).toBeLessThanOrEqual(64 + 4 * JOBS);
  await home.remove();
});
