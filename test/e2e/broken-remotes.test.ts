/** RELIABILITY §2 row 16 through the command, for every driver with a server: what a broken remote may cost. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startRawServer } from '../servers/raw-server.ts';
import { REMOTE_SERVERS, type RemoteServer } from '../servers/remote-servers.ts';
import { freePort } from '../servers/free-port.ts';
import { startThrottle } from '../servers/throttle.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

interface Broken {
  readonly port: number;
  /** How often clients have asked. */
  readonly asked?: () => number;
  close(): Promise<void>;
}

const LAYERS = 6;
const ADDED_MS = 10_000;
const JOBS = 2;
/** Three failures open the breaker; one more of each job may be under way just then, reading and sending. Three tries each. */
const MOST_ASKED = (3 + 2 * JOBS) * 3;
let home: Home;
let app: MadeLayout;
let servers: RemoteServer[];
let withoutMs = 0;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  home = await makeHome();
  const layer = (at: number): Buffer => Buffer.alloc(200_000, `layer ${at} `);
  app = await makeLayout(
    home.path('app'),
    Array.from({ length: LAYERS }, (_, at) => ({ files: { [`f${at}`]: layer(at) } })),
  );
  servers = await Promise.all(REMOTE_SERVERS.map(([, start]) => start()));
  for (const { urlAt, port, env } of servers) {
    const pushed = await home.run(['push-cache', app.reference, '--to', urlAt(port), '--json'], { env });
    expect(pushed.code, pushed.stderr).toBe(0);
  }
  const { durationMs } = (await warm(coldCache(), [])).json<WarmResult>();
  withoutMs = durationMs;
}, 120_000);
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.close()));
  await home.remove();
});

let turns = 0;
/** A cache of its own for each run: one that a test has given up may still be at work. */
const coldCache = (): string => `cache-${(turns += 1)}`;

async function warm(cacheDir: string, flags: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<CliResult> {
  const cache = ['--cache-dir', home.path(cacheDir), '--jobs', String(JOBS), '--json'];
  return home.run(['warm', app.reference, ...cache, ...flags], { env });
}

async function answering(answer: string): Promise<Broken> {
  let asked = 0;
  const server = await startRawServer((socket) => {
    // What one call asks comes in one small piece: a layer is only sent after an answer.
    asked += 1;
    if (answer === 'reset') socket.resetAndDestroy();
    else if (answer !== 'nothing') socket.end(answer);
  });
  return { ...server, asked: () => asked };
}

const REFUSING = '-ERR internal error\r\n';
const FAILING = 'HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nconnection: close\r\n\r\n';

type Fault = readonly [what: string, start: (server: RemoteServer) => Promise<Broken>];

const FAULTS: readonly Fault[] = [
  ['that nobody listens at', async () => ({ port: await freePort(), close: () => Promise.resolve() })],
  ['that takes connections and never answers', () => answering('nothing')],
  ['that answers every request with a failure', ({ name }) => answering(name === 'redis' ? REFUSING : FAILING)],
  ['that resets every connection', () => answering('reset')],
  ['that sends 1 KB/s', ({ port }) => startThrottle(port, 1000)],
];

async function broken(start: Fault[1], server: RemoteServer): Promise<Broken> {
  const made = await start(server);
  closing.push(() => made.close());
  return made;
}

async function expectWarm(cacheDir: string): Promise<void> {
  const checked = await home.run(['cache', 'verify', '--full', '--cache-dir', home.path(cacheDir), '--json']);
  expect([checked.code, checked.json()['checked']], checked.stderr).toEqual([0, LAYERS]);
}

function expectServedByLayout({ images, remotes }: WarmResult): void {
  expect(images[0]?.layers.map(({ servedBy, stored }) => [servedBy, stored])).toEqual(app.layers.map(() => ['layout', []]));
  expect(remotes).toMatchObject([{ hits: 0, stored: 0 }]);
}

describe('row 16: a remote', () => {
  it.each(FAULTS)(
    '%s costs a warm one warning and at most 10 s, whatever the driver',
    async (_what, start) => {
      await Promise.all(
        servers.map(async (server) => {
          const cacheDir = coldCache();
          const { port, asked } = await broken(start, server);
          const url = server.urlAt(port);
          const result = await warm(cacheDir, ['--from', url, '--to', url], server.env);
          expect(result.code, `${server.name}: ${result.stderr}`).toBe(0);
          const document = result.json<WarmResult>();
          expect(document.durationMs - withoutMs, server.name).toBeLessThanOrEqual(ADDED_MS);
          expect(document.warnings, server.name).toHaveLength(1);
          expect(document.warnings[0]).toMatch(/^remote cache /);
          expect(result.stderr.split('\n').filter((line) => line.includes('warning:'))).toHaveLength(1);
          if (asked !== undefined) expect(asked(), `${server.name} was asked`).toBeLessThanOrEqual(MOST_ASKED);
          expectServedByLayout(document);
          await expectWarm(cacheDir);
        }),
      );
    },
    60_000,
  );

  it.each(FAULTS.filter(([what]) => !/never|1 KB/.test(what)))(
    '%s exits 11 when it is required, with all layers on disk, and fails every push with 11',
    async (_what, start) => {
      await Promise.all(
        servers.map(async (server) => {
          const cacheDir = coldCache();
          const url = server.urlAt((await broken(start, server)).port);
          const required = await warm(cacheDir, ['--from', url, '--remote', 'required', '--retries', '0'], server.env);
          expect([server.name, required.code, required.json().error?.code]).toEqual([server.name, 11, 'REMOTE_FAILED']);
          await expectWarm(cacheDir);
          const args = [
            'push-cache',
            app.reference,
            '--to',
            url,
            '--retries',
            '0',
            '--cache-dir',
            home.path(server.name),
            '--json',
          ];
          const pushed = await home.run(args, { env: server.env });
          expect([server.name, pushed.code, pushed.json().error?.code]).toEqual([server.name, 11, 'REMOTE_FAILED']);
          await expectWarm(cacheDir);
        }),
      );
    },
    60_000,
  );
});

// Last: from here on the servers hold nothing right.
describe('rows 16 and 18: a remote that holds wrong bytes', () => {
  beforeAll(() => Promise.all(servers.map((server) => server.poison())));

  it('is counted, costs one warning, and never reaches the disk, whatever the driver', async () => {
    for (const server of servers) {
      const cacheDir = coldCache();
      const result = await warm(cacheDir, ['--from', server.urlAt(server.port)], server.env);
      expect(result.code, `${server.name}: ${result.stderr}`).toBe(0);
      const document = result.json<WarmResult>();
      expectServedByLayout(document);
      expect(document.remotes[0]?.corrupt, server.name).toBeGreaterThanOrEqual(1);
      expect(document.warnings, server.name).toHaveLength(1);
      expect(document.warnings[0]).toContain('holds wrong bytes');
      expect(document.durationMs - withoutMs, server.name).toBeLessThanOrEqual(ADDED_MS);
      await expectWarm(cacheDir);
    }
  }, 60_000);

  it('is mended with --repair-remote where the server replaces what it has', async () => {
    for (const server of servers) {
      const url = server.urlAt(server.port);
      const repaired = (await warm(coldCache(), ['--from', url, '--repair-remote'], server.env)).json<WarmResult>();
      if (server.name === 'oci') {
        // docker-registry keeps a blob that it has, whatever is sent: that is said, not called repaired.
        expect(repaired.remotes).toMatchObject([{ repaired: 0 }]);
        expect(repaired.warnings.join()).toContain('keeps wrong bytes');
        continue;
      }
      expect(repaired.remotes, server.name).toMatchObject([{ corrupt: LAYERS, repaired: LAYERS }]);
      const again = (await warm(coldCache(), ['--from', url], server.env)).json<WarmResult>();
      expect(again.remotes, server.name).toMatchObject([{ hits: LAYERS, corrupt: 0 }]);
    }
  }, 60_000);
});
