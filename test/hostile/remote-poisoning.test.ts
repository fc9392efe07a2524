/**
 * RELIABILITY §1.3 row 18 and §2 row 16: what a remote cache on a web server may do to a warm. The server is ours and does
 * one thing wrong in each case; the image is in a layout, so that the time a case adds is the remote's.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { readFileSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import { openCache, type Cache } from '../../src/lib/operations/open-cache.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

const LAYERS = 6;
const ADDED_MS = 10_000;
const BODY_BYTES = 300_000;
let dir: string;
let app: MadeLayout;
let cache: Cache;
let server: Server;
let answer: Answer;
let requests: string[];

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/cache`;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-poison-'));
  const content = (at: number): Buffer => Buffer.alloc(BODY_BYTES, `layer ${at} `);
  app = await makeLayout(
    join(dir, 'app'),
    Array.from({ length: LAYERS }, (_, at) => ({ files: { [`f${at}`]: content(at) } })),
  );
  cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 2 });
  requests = [];
  server = createServer((request, response) => {
    requests.push(request.method ?? '');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await cache.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

const sizeOf = (path = ''): number => app.layers.find(({ diffId }) => path.endsWith(diffId.slice(7)))?.uncompressedBytes ?? 0;

/** Has every layer, in its right size, and sends `body` for it. */
function holding(send: (response: ServerResponse, sizeBytes: number) => void): Answer {
  return (request, response) => {
    if (request.method === 'PUT') {
      request.resume();
      response.writeHead(500).end();
      return;
    }
    response.writeHead(200, { 'content-length': sizeOf(request.url) });
    if (request.method === 'HEAD') response.end();
    else send(response, sizeOf(request.url));
  };
}

const trickle = (response: ServerResponse): void => {
  const timer = setInterval(() => response.write(Buffer.alloc(100)), 100);
  response.on('close', () => clearInterval(timer));
};

const CASES: readonly (readonly [what: string, answer: Answer])[] = [
  ['that never answers', () => undefined],
  ['that answers 500', (request, response) => (request.resume(), response.writeHead(500).end())],
  ['that resets every connection', (request) => request.socket.resetAndDestroy()],
  ['that sends 1 KB/s', holding(trickle)],
  ['that stops half-way', holding((response) => response.write(Buffer.alloc(1000)))],
  [
    'that cuts the content',
    holding((response) => (response.write(Buffer.alloc(1000)), setTimeout(() => response.destroy(), 20))),
  ],
  ['that holds other bytes', holding((response, sizeBytes) => response.end(Buffer.alloc(sizeBytes)))],
  [
    'that answers with a login page',
    (request, response) => (request.resume(), response.writeHead(200).end('<html>log in</html>')),
  ],
];

async function expectRightDisk(): Promise<void> {
  const names = (await readdir(join(dir, 'cache'))).filter((name) => /^[0-9a-f]{64}$/.test(name));
  expect(names).toHaveLength(LAYERS);
  for (const name of names) {
    const bytes = await readFile(join(dir, 'cache', name));
    expect(createHash('sha256').update(bytes).digest('hex')).toBe(name);
  }
}

describe('rows 16 and 18: a remote cache', () => {
  it.each(CASES)('%s costs a warm one warning and less than ten seconds', async (_what, wrong) => {
    answer = wrong;
    const startedAt = performance.now();
    const result = await cache.warm({ images: [app.reference], from: [url()], to: [url()] });
    expect(performance.now() - startedAt).toBeLessThan(ADDED_MS);
    expect(result.images[0]?.layers.map(({ servedBy, stored }) => [servedBy, stored])).toEqual(
      app.layers.map(() => ['layout', []]),
    );
    expect(result.warnings.filter((warning) => warning.startsWith('remote cache'))).toHaveLength(1);
    expect(result.remotes[0]?.hits).toBe(0);
    await expectRightDisk();
  });

  it('that nobody listens at costs the same', async () => {
    const closed = url();
    await new Promise((resolve) => server.close(resolve));
    const startedAt = performance.now();
    const result = await cache.warm({ images: [app.reference], from: [closed], to: [closed] });
    expect(performance.now() - startedAt).toBeLessThan(ADDED_MS);
    expect(result.warnings).toHaveLength(1);
    await expectRightDisk();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  });

  it('that is required and fails is REMOTE_FAILED, after all layers were brought', async () => {
    await cache.close();
    cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 2, retries: 0 });
    answer = (request, response) => (request.resume(), response.writeHead(500).end());
    const warm = cache.warm({ images: [app.reference], to: [url()], remote: 'required' });
    expect(await warm.then(() => undefined, errorCodeOf)).toBe('REMOTE_FAILED');
    const push = cache.pushCache({ images: [app.reference], to: [url()] });
    expect(await push.then(() => undefined, errorCodeOf)).toBe('REMOTE_FAILED');
    await expectRightDisk();
  });

  it('that keeps wrong content whatever is sent to mend it still serves what it has right', async () => {
    const origin = join(dir, 'origin');
    await cache.pushCache({ images: [app.reference], to: [`file://${origin}`] });
    await cache.close();
    cache = openCache({ cacheDir: join(dir, 'second'), jobs: 2 });
    const wrong = app.layers.slice(0, 4).map(({ diffId }) => diffId.slice(7));
    const refused: string[] = [];
    answer = (request, response) => {
      const name = request.url?.split('/').at(-1) ?? '';
      if (request.method === 'PUT') refused.push(name);
      if (request.method === 'PUT') return void (request.resume(), response.writeHead(403).end());
      const bytes = readFileSync(join(origin, name));
      response.writeHead(200, { 'content-length': bytes.length });
      response.end(request.method === 'HEAD' ? undefined : wrong.includes(name) ? Buffer.alloc(bytes.length) : bytes);
    };
    const outcomes: unknown[] = [];
    // One after the other, so that each has failed to be mended before the next one is asked for.
    for (const { digest } of app.layers) {
      const layers = [digest as Digest];
      const { remotes } = await cache.warm({ images: [app.reference], from: [url()], repairRemote: true, layers });
      outcomes.push(remotes.map(({ hits, corrupt }) => ({ hits, corrupt }))[0]);
    }
    expect(outcomes).toEqual(app.layers.map((_, at) => (at < 4 ? { hits: 0, corrupt: 1 } : { hits: 1, corrupt: 0 })));
    expect(new Set(refused).size, 'layers that were sent to be mended').toBe(3);
  });

  it('that is only read gets no write, whatever is asked to be repaired', async () => {
    answer = holding((response, sizeBytes) => response.end(Buffer.alloc(sizeBytes)));
    const result = await cache.warm({ images: [app.reference], from: [url()], repairRemote: true, readOnly: [url()] });
    expect(result.remotes[0]?.corrupt).toBeGreaterThan(0);
    expect([...new Set(requests)].filter((method) => method !== 'GET' && method !== 'HEAD')).toEqual([]);
  });
});
