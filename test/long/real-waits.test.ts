/** RELIABILITY §2 rows 6 and 7 with the defaults and on a real clock: stalls of 30 s, 120 s without progress, waits as told within 10 %. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type Fault, type RecordedRequest } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startRawServer } from '../servers/raw-server.ts';

const MIB = 1024 * 1024;
const HANG_MS = 400_000;
const STALL_MS = 30_000;
const NO_PROGRESS_MS = 120_000;
/** A stall is looked for eight times in its window; four of them, and the pauses between the tries (0.5 + 1 + 2 s at most). */
const SEEN_LATER_MS = STALL_MS / 8;
/** Of a start, and of a machine that does something else. */
const SLACK_MS = 5_000;

let store: Home;
let one: MadeLayout;
let six: MadeLayout;
beforeAll(async () => {
  store = await makeHome();
  one = await makeMixedImage(join(store.dir, 'one'), 3 * MIB, ['none']);
  const layers = Array.from({ length: 6 }, (_, at) => ({ files: { [`${at}.txt`]: `layer ${at}` } }));
  six = await makeLayout(join(store.dir, 'six'), layers);
});
afterAll(() => store.remove());

interface Run extends CliResult {
  /** Of layers, in order. */
  readonly seen: readonly RecordedRequest[];
  readonly tookMs: number;
  readonly layers: number;
}

/** A warm with an empty cache and the defaults; `faultOf` says what happens to the requests of layers, 0 first. */
async function warm(image: MadeLayout, faultOf: (at: number, request: RecordedRequest) => Fault | undefined): Promise<Run> {
  const home = await makeHome();
  const seen: RecordedRequest[] = [];
  const registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  const digests = new Set(image.layers.map(({ digest }) => digest));
  registry.script = (request) =>
    digests.has(request.path.split('/').at(-1) ?? '') ? faultOf(seen.push(request) - 1, request) : undefined;
  const startedAtMs = performance.now();
  const args = ['warm', `${registry.host}/app:v1`, '--json', '-v', '--jobs', '4'];
  const result = await home.run(args, { hangMs: HANG_MS });
  const tookMs = performance.now() - startedAtMs;
  const layers = (await cachedLayers(home)).length;
  await registry.close();
  await home.remove();
  return { ...result, seen, tookMs, layers };
}

const startOf = ({ headers }: RecordedRequest): number => Number(/^bytes=(\d+)-/.exec(String(headers['range']))?.[1] ?? 0);
const gapOf = ({ seen }: Run): number => (seen[1]?.atMs ?? 0) - (seen[0]?.atMs ?? 0);
const secondsOf = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function expectOver({ code, stdout }: CliResult, tookMs: number): void {
  expect([code, (JSON.parse(stdout) as { error: { code: string } }).error.code]).toEqual([6, 'TIMEOUT']);
  expect(tookMs).toBeGreaterThanOrEqual(NO_PROGRESS_MS);
  expect(tookMs).toBeLessThanOrEqual(NO_PROGRESS_MS + 4 * SEEN_LATER_MS + 3_500 + SLACK_MS);
}

describe.concurrent('row 6: a server that stalls, with the default of 30 s', () => {
  it.each<[string, Fault]>([
    ['0 bytes a second', { stallAt: MIB }],
    ['1 byte each 10 s', { trickleAt: MIB, trickleMs: 10_000 }],
  ])(
    'with %s is left after 30 s, and the layer goes on from there',
    async (name, fault) => {
      const run = await warm(one, (at) => (at === 0 ? fault : undefined));
      expect(run.code, run.stderr).toBe(0);
      expect([run.seen.length, run.layers]).toEqual([2, 1]);
      expect(startOf(run.seen[1] as RecordedRequest)).toBeGreaterThanOrEqual(MIB);
      expect(gapOf(run)).toBeGreaterThanOrEqual(STALL_MS);
      expect(gapOf(run)).toBeLessThanOrEqual(STALL_MS + 2 * SEEN_LATER_MS + SLACK_MS);
      console.log(`row 6, ${name}: asked again after ${secondsOf(gapOf(run))}`);
    },
    HANG_MS,
  );

  it.each<[string, Fault]>([
    ['0 bytes a second', { stallAt: 0 }],
    ['1 byte each 10 s', { trickleAt: 0, trickleMs: 10_000 }],
  ])(
    'with %s for ever is exit 6 after 120 s without progress',
    async (name, fault) => {
      const run = await warm(one, () => fault);
      expectOver(run, run.tookMs);
      // The first byte may be what brings the headers: then a try lasts 40 s.
      expect(run.seen.length).toBeGreaterThanOrEqual(3);
      expect(run.seen.length).toBeLessThanOrEqual(5);
      expect(run.layers).toBe(0);
      console.log(`row 6, ${name} for ever: exit 6 after ${secondsOf(run.tookMs)}`);
    },
    HANG_MS,
  );

  it(
    'that never answers is exit 6 after 120 s as well',
    async () => {
      const home = await makeHome();
      const hole = await startRawServer(() => undefined);
      const startedAtMs = performance.now();
      const result = await home.run(['warm', `127.0.0.1:${hole.port}/app:v1`, '--json'], { hangMs: HANG_MS });
      const tookMs = performance.now() - startedAtMs;
      expectOver(result, tookMs);
      console.log(`row 6, no answer: exit 6 after ${secondsOf(tookMs)}`);
      await hole.close();
      await home.remove();
    },
    HANG_MS,
  );
});

/** As a server with a clock of its own says it: an hour ahead of ours. */
function asDate(seconds: number): Fault['headers'] {
  const nowMs = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  const text = (ms: number): string => new Date(ms).toUTCString();
  return { date: text(nowMs), 'retry-after': text(nowMs + seconds * 1000) };
}

const asSeconds = (seconds: number): Fault['headers'] => ({ 'retry-after': String(seconds) });

describe.concurrent('row 7: Retry-After', () => {
  it.each([
    ['30 s', 429, 30, asSeconds],
    ['30 s', 503, 30, asSeconds],
    ['a date in 30 s', 429, 30, asDate],
    ['60 s, the longest wait', 429, 60, asSeconds],
  ] as const)(
    'of %s with status %i is kept to a tenth: nobody asks the host before, and all layers come',
    async (name, status, seconds, headersOf) => {
      let sayUntilMs = Infinity;
      let firstAtMs = 0;
      // What was under way before anybody could know is refused as well.
      const run = await warm(six, (at, { atMs }) => {
        if (at === 0) [firstAtMs, sayUntilMs] = [atMs, atMs + 500];
        return atMs < sayUntilMs ? { status, headers: headersOf(seconds) ?? {} } : undefined;
      });
      expect(run.code, run.stderr).toBe(0);
      expect(run.layers).toBe(6);
      const refused = run.seen.filter((request) => request.status === status);
      const lastRefusalMs = Math.max(...refused.map(({ atMs }) => atMs));
      const served = run.seen.filter((request) => request.status === 200).map(({ atMs }) => atMs);
      // The last that was refused says how long.
      const waitedMs = Math.min(...served) - lastRefusalMs;
      expect(waitedMs).toBeGreaterThanOrEqual(seconds * 1000 * 0.9);
      expect(waitedMs).toBeLessThanOrEqual(seconds * 1000 * 1.1);
      expect(run.seen.filter(({ atMs }) => atMs > lastRefusalMs && atMs < Math.min(...served))).toEqual([]);
      console.log(
        `row 7, ${name}, ${status}: ${refused.length} refused in ${secondsOf(lastRefusalMs - firstAtMs)}, waited ${secondsOf(waitedMs)}`,
      );
    },
    HANG_MS,
  );

  it.each([
    ['61 s', asSeconds, 61],
    ['a date in 1 h', asDate, 3600],
  ] as const)(
    'of %s is not waited for: exit 6 with the time',
    async (_, headersOf, seconds) => {
      const run = await warm(six, () => ({ status: 429, headers: headersOf(seconds) ?? {} }));
      expect(run.code).toBe(6);
      expect(run.stdout).toMatch(new RegExp(`in (?:${seconds}|${seconds - 1}) s`));
      expect(run.tookMs).toBeLessThan(30_000);
    },
    HANG_MS,
  );
});
