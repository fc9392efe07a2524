/**
 * What a push holds in memory, for layers of 100 MB, 1 GB and 10 GB, for twenty at once, from the disk and straight through,
 * and every kind of server: the process itself by /proc, beside one that only looks at the same image.
 * CLIPCTL_PUSH_LAYERS_MB="100,1000" leaves the largest out.
 */
import { mkdtemp, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { makeLargeLayout, type LargeLayout } from '../servers/large-layout.ts';
import { redisServerMissing, startRedisServer } from '../servers/redis-server.ts';
import { s3ProxyMissing, startS3Proxy } from '../servers/s3proxy.ts';

const MIB = 1 << 20;
const MB = 1_000_000;
const BUDGET_MIB = 32;
/**
 * From the most of three runs with the smallest to any larger one. Two runs of the same differ by some MiB; a hundred times
 * as much to send adds code that V8 compiles on the way, and buffers that a short run does not all touch.
 */
const FLAT_MIB = 16;
const HANG_MS = 600_000;
const MANY = { layers: 20, layerBytes: 50 * MB };
const LAYERS_MB = (process.env['CLIPCTL_PUSH_LAYERS_MB'] ?? '100,1000,10000').split(',').map(Number);
const LARGEST_BYTES = Math.max(...LAYERS_MB) * MB;
/** The most memory this program had: maxRSS would count what it was forked from. */
const HOOK = `const { isMainThread } = require('node:worker_threads');
const { readFileSync, writeFileSync } = require('node:fs');
if (isMainThread) process.on('exit', () => {
  const [, kib] = /VmHWM:\\s+(\\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  writeFileSync(process.env.RSS_FILE, String(kib * 1024));
});`;

interface Remote {
  readonly url: string;
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

interface Image extends LargeLayout {
  /** What it is made of. */
  readonly name: string;
}

interface Row {
  readonly name: string;
  readonly bufferedMiB: number;
  readonly rssMiB: number;
  readonly grownMiB: number;
  readonly seconds: number;
}

const REMOTES = [
  { name: 'file', boundMiB: 64, missing: undefined, open: openFile },
  { name: 's3', boundMiB: 112, missing: s3ProxyMissing(), open: openS3 },
  { name: 'redis', boundMiB: 112, missing: redisServerMissing(), open: openRedis },
];

async function openFile(): Promise<Remote> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-push-'));
  return { url: `file://${directory}`, env: {}, close: () => rm(directory, { recursive: true, force: true }) };
}

async function openS3(): Promise<Remote> {
  const server = await startS3Proxy();
  const url = `s3://${server.bucket}/push?endpoint=${server.endpoint}`;
  return { url, env: server.environment, close: () => server.close() };
}

async function openRedis(): Promise<Remote> {
  const server = await startRedisServer({ extra: ['--appendonly', 'no'] });
  return { url: `redis://127.0.0.1:${server.port}/0`, env: {}, close: () => server.close() };
}

let home: Home;
const images: Image[] = [];
let idleBytes = 0;

beforeAll(async () => {
  const { bavail, bsize } = await statfs(tmpdir());
  expect(bavail * bsize, 'free bytes on the disk').toBeGreaterThan(3.5 * LARGEST_BYTES);
  home = await makeHome();
  await writeFile(home.path('hook.cjs'), HOOK);
  for (const sizeMb of LAYERS_MB) {
    images.push({ name: `${sizeMb} MB`, ...(await makeLargeLayout(home.path(`image-${sizeMb}`), sizeMb * MB)) });
  }
  const many = await makeLargeLayout(home.path('image-many'), MANY.layerBytes, MANY);
  images.push({ name: `${MANY.layers} layers of ${MANY.layerBytes / MB} MB`, ...many });
  for (const { reference } of images) expect((await home.run(['warm', reference], { hangMs: HANG_MS })).code).toBe(0);
  // The most of three: what a process of nothing but this program takes varies by some MiB.
  for (let run = 0; run < 3; run += 1) {
    const { result, rssBytes } = await measured(['inspect', images[0]?.reference ?? '', '--json']);
    expect(result.code, result.stderr).toBe(0);
    idleBytes = Math.max(idleBytes, rssBytes);
  }
}, 900_000);
afterAll(() => home.remove());

async function measured(args: readonly string[], env = {}): Promise<{ result: CliResult; rssBytes: number }> {
  const RSS_FILE = home.path('rss');
  const hooked = { ...env, NODE_OPTIONS: `--require=${home.path('hook.cjs')}`, RSS_FILE };
  const result = await home.run(args, { hangMs: HANG_MS, env: hooked });
  return { result, rssBytes: Number(await readFile(RSS_FILE, 'utf8')) };
}

async function push({ name, reference, sizeBytes }: Image, { url, env }: Remote, ways: readonly string[]): Promise<Row> {
  const startedAt = performance.now();
  const { result, rssBytes } = await measured(['push-cache', reference, '--to', url, ...ways, '--json'], env);
  const seconds = Math.round(performance.now() - startedAt) / 1000;
  expect(result.code, result.stderr).toBe(0);
  const { remotes, peakBufferedBytes = Infinity } = result.json<PushDocument>();
  expect(remotes[0]?.layers.reduce((sum, { sentBytes }) => sum + sentBytes, 0)).toBe(sizeBytes);
  const inMiB = (bytes: number): number => Math.round((bytes / MIB) * 10) / 10;
  const [rssMiB, grownMiB] = [inMiB(rssBytes), inMiB(rssBytes - idleBytes)];
  return { name, bufferedMiB: inMiB(peakBufferedBytes), rssMiB, grownMiB, seconds };
}

/** Into one remote. */
async function pushAll(pushed: readonly Image[], open: () => Promise<Remote>, flags: readonly string[]): Promise<Row[]> {
  const remote = await open();
  const rows: Row[] = [];
  try {
    for (const image of pushed) rows.push(await push(image, remote, [...flags, '--jobs', String(MANY.layers)]));
    return rows;
  } finally {
    await remote.close();
  }
}

interface PushDocument {
  readonly peakBufferedBytes?: number;
  readonly remotes: readonly { readonly layers: readonly { readonly sentBytes: number }[] }[];
}

const WAYS = [
  { way: 'from the disk', flags: (): string[] => [] },
  { way: 'with --no-disk', flags: (): string[] => ['--no-disk', '--cache-dir', home.path('bare')] },
];

describe.each(REMOTES)('row 17: layers up to 10 GB pushed to $name', ({ name, boundMiB, missing, open }) => {
  const hasRoom = name !== 'redis' || freemem() > 1.2 * LARGEST_BYTES;

  it.skipIf(missing !== undefined || !hasRoom).each(WAYS)(
    `$way wait in at most ${BUDGET_MIB} MiB; the process grows by at most ${boundMiB} MiB, whatever the size`,
    { timeout: 1_200_000 },
    async ({ way, flags }) => {
      const [smallest] = images;
      if (smallest === undefined) throw new Error('no images');
      // The most of three, as for the idle process.
      const small = [await pushAll([smallest], open, flags()), await pushAll([smallest], open, flags())].flat();
      const rows = await pushAll(images, open, flags());
      process.stdout.write(`${name} ${way}, idle ${Math.round(idleBytes / MIB)} MiB\n${rows.map(lineOf).join('\n')}\n`);
      for (const { bufferedMiB, grownMiB } of rows) {
        expect(bufferedMiB).toBeGreaterThan(0);
        expect(bufferedMiB).toBeLessThanOrEqual(BUDGET_MIB);
        expect(grownMiB).toBeLessThanOrEqual(boundMiB);
      }
      const most = (of: readonly Row[]): number => Math.max(...of.map(({ grownMiB }) => grownMiB));
      const single = rows.slice(0, LAYERS_MB.length);
      expect(most(single) - most([...small, ...single.slice(0, 1)])).toBeLessThanOrEqual(FLAT_MIB);
    },
  );
});

function lineOf({ name, bufferedMiB, rssMiB, grownMiB, seconds }: Row): string {
  return `  ${name.padStart(20)}: ${bufferedMiB} MiB buffered, ${rssMiB} MiB resident, ${grownMiB} over idle, ${seconds} s`;
}
