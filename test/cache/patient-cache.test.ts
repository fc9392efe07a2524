/** What an optional remote may cost: against servers that hang where the test wants it. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { patient } from '../../src/lib/cache/patient-cache.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { WaitingAllowance } from '../../src/lib/cache/waiting-allowance.ts';
import { contextForTest } from './remote/context-for-test.ts';
import { seededContent } from './seeded-content.ts';

/** More than sockets hold. */
const LONG_BYTES = 48 << 20;
let server: Server;
let answer: RequestListener;
const { signal } = new AbortController();

beforeEach(async () => {
  server = createServer((request, response) => answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

async function open(totalMs: number): Promise<ContentCache> {
  const { port } = server.address() as AddressInfo;
  return patient(await openRemote(`http://127.0.0.1:${port}/cas`, contextForTest()), new WaitingAllowance(totalMs));
}

/** Misses, and takes all of a PUT; its answer comes later, or never. */
function answersAfter(waitMs: number): RequestListener {
  return (request, response) => {
    if (request.method !== 'PUT') return void response.writeHead(404).end();
    request.resume().on('end', () => {
      if (waitMs < Number.POSITIVE_INFINITY) setTimeout(() => response.writeHead(201).end(), waitMs);
    });
  };
}

describe('a send', () => {
  it('is not given up while a server that has all bytes of a large layer puts them together', async () => {
    answer = answersAfter(1200);
    const content = seededContent(1, 48 << 20);
    const remote = await open(1200);
    const { sizeBytes, hash } = content;
    expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal })).toMatchObject({ sentBytes: sizeBytes });
  }, 20_000);

  it('of a small layer is given up when no answer comes, and the remote is left out', async () => {
    answer = answersAfter(Number.POSITIVE_INFINITY);
    const content = seededContent(2, 10_000);
    const { sizeBytes, hash } = content;
    const remote = await open(1000);
    const startedAt = performance.now();
    for (let round = 0; round < 3; round++)
      await expect(remote.storeContent(content.source(), hash, { sizeBytes, signal })).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(3000);
  }, 20_000);
});

describe('several sends over one line', () => {
  it('are not given up while one of them moves: the others wait for their turn', async () => {
    const turns: (() => void)[] = [];
    answer = (request, response) => {
      if (request.method !== 'PUT') return void response.writeHead(404).end();
      const reply = (): void => void request.resume().on('end', () => response.writeHead(201).end());
      // The first moves for three times as long as one may wait; the rest are not even read before it is done.
      if (turns.push(reply) > 1) return;
      let readBytes = 0;
      request.on('data', (piece: Buffer) => {
        readBytes += piece.length;
        request.pause();
        setTimeout(() => request.resume(), (3000 * piece.length) / LONG_BYTES);
      });
      request.on('end', () => {
        expect(readBytes).toBe(LONG_BYTES);
        response.writeHead(201).end();
        for (const next of turns.slice(1)) next();
      });
    };
    const remote = await open(2000);
    const contents = [seededContent(4, LONG_BYTES), seededContent(5, 10_000), seededContent(6, 10_000)];
    const startedAt = performance.now();
    const sent = await Promise.all(
      contents.map(({ source, hash, sizeBytes }) => remote.storeContent(source(), hash, { sizeBytes, signal })),
    );
    expect(sent.map(({ sentBytes }) => sentBytes)).toEqual([LONG_BYTES, 10_000, 10_000]);
    expect(performance.now() - startedAt).toBeGreaterThan(2000);
  }, 60_000);

  it('are given up when none of them moves any more', async () => {
    answer = answersAfter(Number.POSITIVE_INFINITY);
    const remote = await open(1000);
    const startedAt = performance.now();
    const contents = [seededContent(7, 10_000), seededContent(8, 10_000)];
    const sent = await Promise.allSettled(
      contents.map(({ source, hash, sizeBytes }) => remote.storeContent(source(), hash, { sizeBytes, signal })),
    );
    expect(sent).toMatchObject([{ reason: { code: 'TIMEOUT' } }, { reason: { code: 'TIMEOUT' } }]);
    expect(performance.now() - startedAt).toBeLessThan(4500);
  }, 20_000);
});

describe('a send straight through', () => {
  it('ends when the driver has ended, however late that hears of it: its buffers are another layer next', async () => {
    const events: string[] = [];
    const content = seededContent(3, 10_000);
    const driver = await openRemote('http://127.0.0.1:1/cas', contextForTest());
    const late: ContentCache = {
      ...driver,
      capabilities: driver.capabilities,
      storeContent: async (_source, _hash, { signal: given }) => {
        await once(given, 'abort');
        await sleep(300);
        events.push('driver');
        throw given.reason;
      },
    };
    const remote = patient(late, new WaitingAllowance(1000));
    const source = { isOnePass: true, [Symbol.asyncIterator]: () => content.source()[Symbol.asyncIterator]() };
    const stored = remote.storeContent(source, content.hash, { sizeBytes: content.sizeBytes, signal });
    await expect(stored.finally(() => events.push('store'))).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(events).toEqual(['driver', 'store']);
  });
});

describe('the allowance', () => {
  it('never gives a run of remotes more than it has, and never nothing to one that has not failed', () => {
    let now = 0;
    const allowance = new WaitingAllowance(8000, () => now);
    for (let remote = 0; remote < 10; remote++) {
      const waitedMs = allowance.shareMs;
      expect(waitedMs).toBeGreaterThan(0);
      now += waitedMs;
      allowance.lose(waitedMs);
    }
    expect(now).toBeLessThan(8000);
    expect(allowance.shareMs).toBeGreaterThan(0);
  });

  it('counts what was lost at the same time once, and of one failure not more than its share', () => {
    let now = 0;
    const allowance = new WaitingAllowance(8000, () => now);
    now = 4000;
    allowance.lose(4000);
    allowance.lose(4000);
    expect(allowance.shareMs).toBe(2000);
    now = 100_000;
    allowance.lose(90_000);
    expect(allowance.shareMs).toBe(1000);
  });
});
