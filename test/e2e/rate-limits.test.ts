/** Servers that ask to be left alone, through the command (RELIABILITY §2 rows 7 and 8). */
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type Fault, type LoopbackRegistry, type RecordedRequest } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

interface Failed {
  readonly error: { readonly code: string; readonly message: string; readonly hint: string };
}

let store: Home;
let image: MadeLayout;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  image = await makeLayout(
    join(store.dir, 'image'),
    Array.from({ length: 6 }, (_, at) => ({ files: { [`${at}.txt`]: `layer ${at}` } })),
  );
  registry = await startLoopbackRegistry({ repositories: { 'lab/six': image.directory } });
});
afterAll(async () => {
  await registry.close();
  await store.remove();
});
beforeEach(() => {
  registry.script = undefined;
});

interface Run extends CliResult {
  /** Of blobs that are layers, in order. */
  readonly blobs: readonly RecordedRequest[];
}

/** A warm with an empty cache; `faultOf` says what happens to the requests of layers, 0 first. */
async function warm(faultOf: (at: number, request: RecordedRequest) => Fault | undefined, ...flags: string[]): Promise<Run> {
  const home = await makeHome();
  const blobs: RecordedRequest[] = [];
  const layers = new Set(image.layers.map(({ digest }) => digest));
  registry.script = (request) => {
    const isLayer = layers.has(request.path.split('/').at(-1) ?? '');
    return isLayer ? faultOf(blobs.push(request) - 1, request) : undefined;
  };
  try {
    const result = await home.run(['warm', `${registry.host}/lab/six:v1`, '--json', '--jobs', '4', '-v', ...flags]);
    return { ...result, blobs };
  } finally {
    await home.remove();
  }
}

const told = (retryAfter: string, status = 429): Fault => ({ status, headers: { 'retry-after': retryAfter } });

/** As a server says it whose clock is an hour ahead of ours. */
function dateIn(waitMs: number): Record<string, string> {
  const nowMs = Math.floor(Date.now() / 1000) * 1000 + 3_600_000;
  return { date: new Date(nowMs).toUTCString(), 'retry-after': new Date(nowMs + waitMs).toUTCString() };
}

const retriesOf = (run: Run): number => run.json<{ totals: { retries: number } }>().totals.retries;

/** From the first refusal to the next request after those that were under way already. */
function pauseOf({ blobs }: Run): number {
  const gaps = blobs.map(({ atMs }, at) => atMs - (blobs[at - 1]?.atMs ?? atMs));
  return Math.max(...gaps);
}

describe('row 7: Retry-After', () => {
  // Waits of 30 s and 60 s, and their upper bound of 10 %: test/long/real-waits.test.ts.
  it.each([
    ['seconds', () => ({ 'retry-after': '2' })],
    ['a date, by the clock of the server', () => dateIn(2000)],
  ])('as %s: no stream asks the host before, then all are served', async (_, headersOf) => {
    let sayUntil = Infinity;
    // What was sent before anybody could know is refused as well.
    const run = await warm((at, { atMs }) => {
      if (at === 0) sayUntil = atMs + 300;
      return atMs < sayUntil ? { status: 429, headers: headersOf() } : undefined;
    });
    expect(run.code, run.stderr).toBe(0);
    expect(pauseOf(run)).toBeGreaterThanOrEqual(1800);
    expect(pauseOf(run)).toBeLessThan(6000);
    expect(run.stderr).toMatch(/retry 1 of 4: .*: RATE_LIMITED/);
    expect(retriesOf(run)).toBeGreaterThanOrEqual(1);
  });

  it.each([429, 503])('0 with status %i: asked again at once, 5 times a layer at most, then exit 6', async (status) => {
    const run = await warm(() => told('0', status));
    expect(run.code, run.stderr).toBe(6);
    const counts = image.layers.map(({ digest }) => run.blobs.filter(({ path }) => path.endsWith(digest)).length);
    expect(Math.max(...counts)).toBe(5);
  });

  it.each([429, 503])('1 h with status %i: exit 6 with the time, the host is not asked again', async (status) => {
    const run = await warm(() => told('3600', status));
    expect(run.code).toBe(6);
    expect(run.stderr + run.stdout).toMatch(/3600 s|3599 s/);
    // One a worker may have been under way.
    expect(run.blobs.length).toBeLessThanOrEqual(4);
  });

  it.each(['-5', 'soon', '1e3', 'Thu, 99 Foo 2026 99:99:99 GMT'])(
    '%j is no time: a 429 is asked twice at most, a 503 until it is served',
    async (value) => {
      const limited = await warm(() => told(value));
      expect(limited.code).toBe(6);
      for (const { digest } of image.layers) {
        expect(limited.blobs.filter(({ path }) => path.endsWith(digest)).length).toBeLessThanOrEqual(2);
      }
      const served = await warm((at) => (at === 0 ? told(value, 503) : undefined));
      expect(served.code, served.stderr).toBe(0);
      expect(retriesOf(served)).toBe(1);
    },
  );
});

describe('row 8: 429 without Retry-After', () => {
  it('is asked twice at most: exit 6, RATE_LIMITED, and the hint says login and mirror', async () => {
    const run = await warm((_, { path }) => (path.endsWith(image.layers[0]?.digest ?? '') ? { status: 429 } : undefined));
    expect(run.code).toBe(6);
    expect(run.blobs.filter(({ path }) => path.endsWith(image.layers[0]?.digest ?? ''))).toHaveLength(2);
    const { error } = run.json<Failed>();
    expect(error.code).toBe('RATE_LIMITED');
    expect(error.hint).toMatch(/log in .*mirror/);
  });

  it('of the manifest is asked twice at most as well', async () => {
    const home = await makeHome();
    const before = registry.countOf('/v2/lab/six/manifests/v1');
    registry.script = ({ path }) => (path.includes('/manifests/') ? { status: 429 } : undefined);
    const { code } = await home.run(['warm', `${registry.host}/lab/six:v1`]);
    expect(code).toBe(6);
    expect(registry.countOf('/v2/lab/six/manifests/v1') - before).toBe(2);
    await home.remove();
  });
});
