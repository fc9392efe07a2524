import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OpenStreams } from '../../src/lib/http/open-streams.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { readAll } from '../conformance/image-source.ts';
import type { Fault, RecordedRequest } from '../servers/loopback-registry.ts';
import { startRandomRegistry, type RandomRegistry } from './random-registry.ts';

const MIB = 1024 * 1024;
const LAYER_BYTES = 26 * MIB + 17;
/** One connection gives so much: four of them still keep no test waiting. */
const SLOW: Fault = { bytesPerSecond: 16_000_000 };

let lab: RandomRegistry;

beforeAll(async () => {
  lab = await startRandomRegistry(LAYER_BYTES);
});
afterAll(() => lab.close());

interface Limits {
  readonly memoryBytes?: number;
  readonly connections?: number;
  readonly streams?: number;
}

function parallelIn({ memoryBytes = 32 * MIB, connections = 4, streams = 12 }: Limits) {
  const memory = new MemoryBudget(memoryBytes);
  return { parallel: { memory, streams: new OpenStreams(streams), connections } };
}

/** The layer through these limits; all requests of its blob, and the memory that was lent. */
async function fetchLayer(faultOf: (at: number) => Fault | undefined, limits: Limits = {}) {
  const { parallel } = parallelIn(limits);
  const { source, layer, retries } = await lab.openLayer({ parallel });
  const seen = lab.script(faultOf);
  const startedAtMs = performance.now();
  const bytes = await readAll(source, layer);
  const isRight = bytes.equals(await lab.bytesOf(layer));
  return { seen, retries, isRight, tookMs: performance.now() - startedAtMs, memory: parallel.memory, etag: `"${layer.digest}"` };
}

function servedBytes(seen: readonly RecordedRequest[]): number {
  return seen.reduce((sum, { bytesServed }) => sum + bytesServed, 0);
}

/** A 429 never was. */
function isUnderWay({ status, headers, bytesServed }: RecordedRequest): boolean {
  const [, start = 0, last = 0] = (/^bytes=(\d+)-(\d+)$/.exec(String(headers['range'])) ?? []).map(Number);
  return status === 206 && bytesServed < last + 1 - start;
}

describe('a layer from a slow server', () => {
  // How much sooner is for the bench to say: here a busy machine, not the server, may set the pace.
  test('comes over four connections at once, each byte once', async () => {
    const one = await fetchLayer(() => SLOW, { connections: 1 });
    let mostAtOnce = 0;
    const four = await fetchLayer((at) => {
      mostAtOnce = Math.max(mostAtOnce, 1 + lab.registry.requests.slice(-1 - at, -1).filter(isUnderWay).length);
      return SLOW;
    });
    expect([one.isRight, four.isRight]).toEqual([true, true]);
    expect(one.seen).toHaveLength(1);
    expect(mostAtOnce).toBe(4);
    expect(servedBytes(four.seen)).toBe(LAYER_BYTES);
    expect(four.retries).toEqual([]);
  });

  test('holds all requests after the first to its validator', async () => {
    const { seen, etag } = await fetchLayer(() => SLOW);
    expect(seen[0]?.headers['if-range']).toBeUndefined();
    expect(new Set(seen.slice(1).map(({ headers }) => headers['if-range']))).toEqual(new Set([etag]));
  });

  test('keeps what waits inside the budget, and gives all of it back', async () => {
    const { memory, isRight } = await fetchLayer(() => SLOW, { memoryBytes: 9 * MIB });
    expect(isRight).toBe(true);
    expect(memory.peakBytes).toBe(8 * MIB);
    expect(memory.usedBytes).toBe(0);
  });

  test('comes over one connection when the budget lends nothing', async () => {
    const { seen, isRight } = await fetchLayer(() => SLOW, { memoryBytes: 3 * MIB });
    expect(isRight).toBe(true);
    expect(servedBytes(seen)).toBe(LAYER_BYTES);
  });

  test('comes over as few connections as the limit of the host leaves', async () => {
    const { seen, isRight, memory } = await fetchLayer(() => SLOW, { streams: 2 });
    expect(isRight).toBe(true);
    expect(seen.length).toBeGreaterThan(3);
    expect(memory.peakBytes).toBeLessThanOrEqual(8 * MIB);
  });
});

describe('a layer from a fast server', () => {
  test('takes two requests and no memory', async () => {
    const { seen, isRight, memory } = await fetchLayer(() => undefined);
    expect(isRight).toBe(true);
    // A busy machine may make the server look slow for a moment.
    if (memory.peakBytes === 0) expect(seen).toHaveLength(2);
    expect(servedBytes(seen)).toBeLessThan(LAYER_BYTES + 2 * MIB);
  });
});

describe('a slow server that', () => {
  test('cuts every answer after 1 MiB gets only the pieces asked for again, from where they stopped', async () => {
    const { seen, isRight } = await fetchLayer(() => ({ ...SLOW, cutAt: MIB }));
    expect(isRight).toBe(true);
    expect(servedBytes(seen)).toBeLessThanOrEqual(LAYER_BYTES * 1.02);
    const starts = seen.map(({ headers }) => Number(/^bytes=(\d+)-/.exec(String(headers['range']))?.[1]));
    expect(starts.filter((start) => start % MIB !== 0)).toEqual([]);
  });

  test('does not know Range is read as one stream', async () => {
    const { seen, isRight } = await fetchLayer(() => ({ ...SLOW, ignoreRange: true }));
    expect(isRight).toBe(true);
    expect(seen).toHaveLength(1);
  });

  test('answers 416 to every Range is read as one stream without', async () => {
    const { seen, isRight } = await fetchLayer(() => (lab.registry.requests.at(-1)?.headers['range'] ? { status: 416 } : SLOW));
    expect(isRight).toBe(true);
    expect(seen.map(({ headers }) => headers['range'] === undefined)).toEqual([false, true]);
  });

  test('forgets Range after the first answer is read as one stream from there', async () => {
    const { isRight, seen } = await fetchLayer((at) => ({ ...SLOW, ...(at === 0 ? {} : { ignoreRange: true }) }));
    expect(isRight).toBe(true);
    expect(seen.length).toBeLessThanOrEqual(8);
  });

  test('answers every second range with another one is asked again, alone', async () => {
    const { isRight, retries } = await fetchLayer((at) => ({ ...SLOW, ...(at % 2 === 0 ? {} : { wrongRange: true }) }));
    expect(isRight).toBe(true);
    expect(retries.length).toBeGreaterThan(0);
  });

  test('allows two connections and answers 429 to more still gives the layer', async () => {
    let refused = 0;
    const { isRight } = await fetchLayer((at) => {
      const open = lab.registry.requests.slice(-1 - at, -1).filter(isUnderWay);
      if (open.length < 2) return SLOW;
      refused++;
      return { status: 429 };
    });
    expect(refused).toBeGreaterThan(0);
    expect(isRight).toBe(true);
  });

  test('says another total in one piece is SIZE_MISMATCH', async () => {
    const { source, layer } = await lab.openLayer(parallelIn({}));
    lab.script((at) => (at === 2 ? { ...SLOW, contentRange: `bytes 0-1/${LAYER_BYTES + 1}` } : SLOW));
    await expect(readAll(source, layer)).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
  });

  test('is left by a reader with nothing kept', async () => {
    const limits = parallelIn({});
    const { source, layer } = await lab.openLayer(limits);
    lab.script(() => SLOW);
    const stream = await source.openBlob(layer, { signal: new AbortController().signal, isParallel: true });
    let taken = 0;
    for await (const piece of stream as AsyncIterable<Buffer>) {
      taken += piece.byteLength;
      if (taken > 10 * MIB) break;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(limits.parallel.memory.usedBytes).toBe(0);
  });
});
