/** Kills `clipctl warm` at seeded moments and checks what RELIABILITY §2 row 1 demands of the cache afterwards. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { wrongFilesIn } from '../cache/cache-directory.ts';
import type { LayerCompression } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers, transfersIn } from './cache-state.ts';
import { makeMixedImage, servedOf } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** Some 5 MiB compressed: more than may be fetched again. */
const CONTENT_BYTES = 8 * MIB;
const BYTES_PER_SECOND = 16 * MIB;

/** Image M of RELIABILITY is gzip alone, image Z a mix. */
export const KILLED_IMAGES: Readonly<Record<'M' | 'Z', readonly LayerCompression[]>> = {
  M: ['gzip', 'gzip', 'gzip'],
  Z: ['gzip', 'zstd', 'none'],
};

export interface KillBench {
  /** Kills one warm at moment `at` (0 = its start, 1 = its usual end) and says what is wrong with what it leaves; [] = nothing. */
  killAt(at: number, options?: { readonly env?: Readonly<Record<string, string>> }): Promise<KillOutcome>;
  close(): Promise<void>;
}

export interface KillOutcome {
  readonly wrong: readonly string[];
  /** Layers that had their final name when it was killed. */
  readonly finished: number;
  readonly partial: number;
  /** 0 when it had ended by itself. */
  readonly code: number;
}

/** `usualMs` is measured once, unkilled. */
export async function openKillBench(name: keyof typeof KILLED_IMAGES): Promise<KillBench> {
  const store = await makeHome();
  const image = await makeMixedImage(join(store.dir, 'image'), CONTENT_BYTES, [...KILLED_IMAGES[name]]);
  const startMs = performance.now();
  await withRun(image, async ({ home, reference }) => {
    await home.run(['warm', reference, '--jobs', '2']);
  });
  const usualMs = performance.now() - startMs;
  return {
    killAt: (at, { env = {} } = {}) => withRun(image, (run) => killOnce(run, { image, waitMs: at * usualMs, env })),
    close: () => store.remove(),
  };
}

interface Run {
  readonly home: Home;
  readonly registry: LoopbackRegistry;
  readonly reference: string;
}

async function withRun<T>(image: MadeLayout, use: (run: Run) => Promise<T>): Promise<T> {
  const home = await makeHome();
  const registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  registry.script = ({ path }) => (path.includes('/blobs/') ? { bytesPerSecond: BYTES_PER_SECOND } : undefined);
  try {
    return await use({ home, registry, reference: `${registry.host}/app:v1` });
  } finally {
    await registry.close();
    await home.remove();
  }
}

interface Kill {
  readonly image: MadeLayout;
  readonly waitMs: number;
  readonly env: Readonly<Record<string, string>>;
}

async function killOnce({ home, registry, reference }: Run, { image, waitMs, env }: Kill): Promise<KillOutcome> {
  const command = ['warm', reference, '--jobs', '2'];
  const stop = new AbortController();
  const running = home.run(command, { signal: stop.signal, killSignal: 'SIGKILL', env });
  await sleep(waitMs);
  stop.abort();
  const { code } = await running;
  const finished = new Set(await cachedLayers(home));
  const partial = await transfersIn(home);
  const wrong = (await wrongFilesIn(home.cacheDir)).map((file) => `wrong after the kill: ${file}`);
  const perLayer = new Map<string, number>();
  for (const transfer of partial) perLayer.set(transfer.slice(0, 64), (perLayer.get(transfer.slice(0, 64)) ?? 0) + 1);
  for (const [hash, count] of perLayer) if (count > 1) wrong.push(`${count} temporaries of ${hash}`);

  const written = await writtenShares(home, image);
  const servedBefore = image.layers.map(({ digest }) => servedOf(registry, digest));
  registry.script = undefined;
  const again = await home.run(command, { env });
  if (again.code !== 0) wrong.push(`the next run ends with ${again.code}: ${again.stderr}`);
  for (const [at, { digest, diffId, compressedBytes }] of image.layers.entries()) {
    const hash = diffId.slice('sha256:'.length);
    const fetched = servedOf(registry, digest) - (servedBefore[at] ?? 0);
    const missing = compressedBytes * (1 - (written.get(hash) ?? 0));
    const allowed = finished.has(hash) ? 0 : missing + IN_FLIGHT_BYTES;
    if (fetched > allowed) wrong.push(`${fetched} bytes of ${digest} were fetched, ${Math.ceil(allowed)} may`);
  }
  wrong.push(...(await wrongFilesIn(home.cacheDir)).map((file) => `wrong in the end: ${file}`));
  wrong.push(...(await leftovers(home)).map((file) => `left over: ${file}`));
  const layers = await cachedLayers(home);
  if (layers.length !== image.layers.length) wrong.push(`${layers.length} of ${image.layers.length} layers in the end`);
  return { wrong, finished: finished.size, partial: partial.length, code };
}

/**
 * The share of each layer that the dead process had written. What a registry has sent is no measure of it: the socket
 * buffers of both sides hold some MiB that no process has seen, and that no one can resume.
 */
async function writtenShares(home: Home, image: MadeLayout): Promise<Map<string, number>> {
  const shares = new Map<string, number>();
  for (const transfer of await transfersIn(home)) {
    const hash = transfer.slice(0, 64);
    const layer = image.layers.find(({ diffId }) => diffId.endsWith(hash));
    if (layer === undefined) continue;
    const sizeOf = (file: string): Promise<number> =>
      stat(join(home.cacheDir, '.clipctl/v1/ingest', transfer, file)).then(
        ({ size }) => size,
        () => 0,
      );
    const spooled = (await sizeOf('spool')) / layer.compressedBytes;
    const decoded = (await sizeOf('layer')) / layer.uncompressedBytes;
    shares.set(hash, spooled > 0 ? spooled : decoded);
  }
  return shares;
}

/** RELIABILITY §2 row 1. */
const IN_FLIGHT_BYTES = 2 * MIB;
