/**
 * One process of the stress: warms, reads, evicts, verifies and pushes through the built library, in random order, until
 * its time is over. Prints one JSON line a figure; an error of any operation is one. Bundled by stress.ts.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cache, openCache as OpenCache } from '../../src/index.ts';
import { errnoOf } from '../../src/lib/errno.ts';

interface Orders {
  readonly library: string;
  readonly cacheDir: string;
  readonly images: readonly string[];
  readonly remote: string;
  readonly seed: number;
  readonly durationMs: number;
  readonly maxCacheBytes: number;
}

type Verb = 'warm' | 'read' | 'evict' | 'verify' | 'push';
const VERBS: readonly Verb[] = ['warm', 'warm', 'read', 'read', 'evict', 'evict', 'verify', 'push'];
const REPORT_MS = 1000;

const orders = JSON.parse(process.argv[2] ?? '') as Orders;
const { openCache } = (await import(orders.library)) as { openCache: typeof OpenCache };
let state = orders.seed;

function random(below: number): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}

function say(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function layerNames(): Promise<string[]> {
  return (await readdir(orders.cacheDir).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));
}

/** As a runtime does it, that knows nothing of leases: what has the name must have the content, whatever happens meanwhile. */
async function read(): Promise<void> {
  const names = await layerNames();
  const name = names[random(names.length)];
  if (name === undefined) return;
  const sha = createHash('sha256');
  try {
    for await (const piece of createReadStream(join(orders.cacheDir, name))) sha.update(piece as Uint8Array);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  if (sha.digest('hex') !== name) throw new Error(`the file ${name} has another content`);
}

/** An hour passes for all layers; what is in use keeps its lease. */
async function evict(cache: Cache): Promise<void> {
  const records = join(orders.cacheDir, '.clipctl/v1/layers');
  const then = Date.now() / 1000 - 3600;
  for (const name of await readdir(records).catch(() => [])) await utimes(join(records, name), then, then).catch(() => undefined);
  await cache.prune({ maxCacheBytes: orders.maxCacheBytes });
}

async function verify(cache: Cache): Promise<void> {
  const { corrupt, missing } = await cache.verify({ full: true });
  if (corrupt.length + missing.length > 0) throw new Error(`verify found ${JSON.stringify({ corrupt, missing })}`);
}

async function act(verb: Verb, cache: Cache): Promise<void> {
  const image = orders.images[random(orders.images.length)] ?? '';
  if (verb === 'warm') await cache.warm({ images: [image] });
  else if (verb === 'push') await cache.pushCache({ images: [image], to: [orders.remote] });
  else if (verb === 'read') await read();
  else if (verb === 'evict') await evict(cache);
  else await verify(cache);
}

const counts: Record<Verb, number> = { warm: 0, read: 0, evict: 0, verify: 0, push: 0 };
const started = performance.now();
let reported = 0;
while (performance.now() - started < orders.durationMs) {
  const verb = VERBS[random(VERBS.length)] ?? 'warm';
  const cache = openCache({ cacheDir: orders.cacheDir, jobs: 2, minFreeBytes: 0 });
  try {
    await act(verb, cache);
    counts[verb] += 1;
  } catch (error) {
    say({ verb, error: error instanceof Error ? `${error.message} ${JSON.stringify(error)}` : String(error) });
  } finally {
    await cache.close();
  }
  if (performance.now() - reported < REPORT_MS) continue;
  reported = performance.now();
  const cycles = Object.values(counts).reduce((sum, count) => sum + count, 0);
  say({ cycles, rssBytes: process.memoryUsage().rss, fds: (await readdir('/proc/self/fd')).length, counts });
}
say({ counts });
