/** RELIABILITY §2 row 18 for every server but S3 (s3.test.ts): what a push that is ended in its middle leaves, and what readers see meanwhile. */
import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dockerRegistryMissing, startDockerRegistry } from '../servers/docker-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { nginxMissing, startNginx } from '../servers/nginx.ts';
import { redisServerMissing, startRedisServer } from '../servers/redis-server.ts';
import { startThrottle, type Throttle } from '../servers/throttle.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1 << 20;
/** Two chunks and a half: it takes 2 s over the line. */
const LAYER_BYTES = 80 * MIB;
const BYTES_PER_SECOND = 40 * MIB;
/** Near the end of the second chunk. */
const INTERRUPTED_AT = 58 * MIB;

interface Server {
  readonly port: number;
  readonly urlAt: (port: number) => string;
  /** Status 200 and the whole, or undefined for what a reader would call a miss. */
  read(hash: string): Promise<Buffer | undefined>;
  /** What the push has left there, apart from what is visible. */
  leftovers(): Promise<readonly string[]>;
  /** An upload that breaks off has no address any more: the server takes it away by itself after a week. */
  readonly purges?: true;
  close(): Promise<void>;
}

let home: Home;
let image: MadeLayout;
let line: Throttle;
const hash = (): string => image.layers[0]?.diffId.slice('sha256:'.length) ?? '';

beforeAll(async () => {
  home = await makeHome();
  image = await makeLayout(home.path('image'), [{ files: { a: randomBytes(LAYER_BYTES) }, compression: 'none' }]);
  expect((await home.run(['warm', image.reference])).code).toBe(0);
});
afterAll(() => home.remove());

async function body(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Buffer | undefined> {
  const answer = await fetch(url, { headers });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return answer.status === 200 ? bytes : undefined;
}

async function nginx(): Promise<Server> {
  const server = await startNginx();
  const url = new URL(server.url);
  const login = { authorization: `Basic ${Buffer.from(`${url.username}:${url.password}`).toString('base64')}` };
  return {
    port: Number(url.port),
    urlAt: (port) => server.url.replace(`:${url.port}/`, `:${port}/`),
    read: (key) => body(`http://${url.host}/cache/cas/${key}`, login),
    leftovers: () => server.leftovers(),
    close: () => server.close(),
  };
}

async function registry(): Promise<Server> {
  const server = await startDockerRegistry();
  const uploads = `${server.storage}/docker/registry/v2/repositories/team/cache/_uploads`;
  return {
    port: Number(server.host.split(':')[1]),
    urlAt: (port) => `oci://127.0.0.1:${port}/team/cache`,
    read: async (key) => {
      const accept = { accept: 'application/vnd.oci.image.manifest.v1+json' };
      const manifest = await body(`http://${server.host}/v2/team/cache/manifests/clipctl-${key}`, accept);
      return manifest === undefined ? undefined : body(`http://${server.host}/v2/team/cache/blobs/sha256:${key}`);
    },
    leftovers: async () => {
      const names = await readdir(uploads, { recursive: true });
      // Empty directories stay behind a deleted upload.
      return names.filter((name) => /\/(?:startedat|data)$/.test(name));
    },
    purges: true,
    close: () => server.close(),
  };
}

async function redis(): Promise<Server> {
  const server = await startRedisServer();
  return {
    port: server.port,
    urlAt: (port) => `redis://127.0.0.1:${port}/0`,
    read: async (key) => {
      const manifest = await server.client.get(`clipctl:${key}`);
      if (manifest === null) return undefined;
      const { chunks } = JSON.parse(manifest) as { chunks: number };
      const values = Array.from({ length: chunks }, (_, at) => server.client.getBuffer(`clipctl:${key}:${at}`));
      return Buffer.concat((await Promise.all(values)).map((value) => value ?? Buffer.alloc(0)));
    },
    leftovers: async () => {
      const lasting: string[] = [];
      for (const key of await server.keys()) {
        const isChunk = /^clipctl:[0-9a-f]{64}:[0-9a-f]{16}:[0-9]+$/.test(key);
        if (!isChunk || (await server.client.pttl(key)) <= 0) lasting.push(key);
      }
      return lasting;
    },
    close: () => server.close(),
  };
}

const SERVERS = [
  { name: 'nginx', missing: nginxMissing(), start: nginx },
  { name: 'docker-registry', missing: dockerRegistryMissing(), start: registry },
  { name: 'Redis', missing: redisServerMissing(), start: redis },
];

describe.each(SERVERS)('row 18: a push to $name', ({ missing, start }) => {
  let server: Server;
  beforeEach(async () => {
    if (missing !== undefined) return;
    server = await start();
    line = await startThrottle(server.port, BYTES_PER_SECOND);
  });
  afterEach(async () => {
    if (missing !== undefined) return;
    await line.close();
    await server.close();
  });

  const push = (port: number, options = {}): Promise<CliResult> =>
    home.run(['push-cache', image.reference, '--to', server.urlAt(port), '--json'], options);

  async function interrupted(killSignal: NodeJS.Signals): Promise<CliResult> {
    const controller = new AbortController();
    const pushing = push(line.port, { signal: controller.signal, killSignal });
    const over = Promise.race([pushing.then(() => 'over'), sleep(30_000, 'late')]);
    while (line.upBytes() < INTERRUPTED_AT && (await Promise.race([over, sleep(10)])) === undefined);
    controller.abort();
    return pushing;
  }

  it.skipIf(missing !== undefined).each([
    ['SIGTERM', 143],
    ['SIGKILL', 137],
  ] as const)('that meets %s leaves nothing that lasts, and the next one is whole', async (killSignal, code) => {
    const startedAt = performance.now();
    const ended = await interrupted(killSignal);
    expect(ended.code, ended.stderr).toBe(code);
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(await server.read(hash())).toBeUndefined();
    if (killSignal === 'SIGTERM' || server.purges !== true) expect(await server.leftovers()).toEqual([]);
    const again = await push(server.port);
    expect(again.code, again.stderr).toBe(0);
    expect(sha(await server.read(hash()))).toBe(hash());
  });

  it.skipIf(missing !== undefined)('never shows a reader half of it', async () => {
    const pushing = push(line.port);
    const state = { isOver: false };
    const over = pushing.finally(() => (state.isOver = true));
    const seen = new Set<string>();
    while (!state.isOver) {
      seen.add(sha(await server.read(hash())));
      await sleep(50);
    }
    const { code, stderr, stdout } = await over;
    expect(code, `${stderr}${stdout}`).toBe(0);
    seen.add(sha(await server.read(hash())));
    expect([...seen]).toEqual(['', hash()]);
  });
});

function sha(content: Buffer | undefined): string {
  return content === undefined ? '' : createHash('sha256').update(content).digest('hex');
}
