/** What an optional remote may cost: against servers that hang where the test wants it. */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { patient } from '../../src/lib/cache/patient-cache.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { WaitingAllowance } from '../../src/lib/cache/waiting-allowance.ts';
import { contextForTest } from './remote/context-for-test.ts';
import { seededContent } from './seeded-content.ts';

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
