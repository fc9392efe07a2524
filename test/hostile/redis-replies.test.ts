/** RELIABILITY §1.3 row 32, the Redis part: whatever the server says ends in an error, within a bound of memory and time. */
import type { Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import { openRedisRemote } from '../../src/lib/cache/remote/redis/redis-remote.ts';
import { ReplyGuard } from '../../src/lib/cache/remote/redis/reply-guard.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { codeOf, signal } from '../cache/cache-directory.ts';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import { drain, seededContent } from '../cache/seeded-content.ts';
import { pourInto, startRawServer, type RawServer } from '../servers/raw-server.ts';

const { hash } = seededContent(70, 10);
let server: RawServer | undefined;
let remote: ContentCache | undefined;

afterEach(async () => {
  await remote?.close();
  await server?.close();
});

async function against(answer: (socket: Socket, asked: string) => void): Promise<ContentCache> {
  server = await startRawServer((socket, bytes) => answer(socket, bytes.toString('latin1')));
  remote = openRedisRemote(new URL(`redis://127.0.0.1:${server.port}`), contextForTest({ timeoutMs: 2000 }));
  return remote;
}

const MANIFEST = JSON.stringify({ version: 1, sizeBytes: 100_000, chunkBytes: 1 << 20, chunks: 1 });
const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

describe('row 32: a Redis server', () => {
  it.each([
    ['a bulk string of 2^40 bytes', `$${2 ** 40}\r\nx`],
    ['a bulk string of a number of bytes that no number holds', `$${'9'.repeat(40)}\r\n`],
    ['a bulk string of a negative length', '$-2\r\n'],
    ['an array of 2^40 elements', `*${2 ** 40}\r\n`],
    ['an array of 30 million elements', '*30000000\r\n:1\r\n'],
    ['arrays within arrays within arrays', '*1\r\n'.repeat(100_000)],
    ['a web page', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n<html>'],
    ['a reply of another protocol version', '%1\r\n+a\r\n+b\r\n'],
    ['zeros', '\0'.repeat(1000)],
  ])('that answers with %s fails with REMOTE_FAILED', async (_what, answer) => {
    const cache = await against((socket) => socket.write(answer));
    const before = process.memoryUsage().rss;
    expect(await codeOf(cache.contentExists(hash, { signal }))).toBe('REMOTE_FAILED');
    expect(process.memoryUsage().rss - before).toBeLessThan(32 << 20);
  });

  it.each([
    ['a line that never ends', 'x'.repeat(65_536)],
    ['bulk strings without end in one array', `*4000000\r\n${bulk('y'.repeat(60_000)).repeat(10)}`],
  ])('that pours %s is cut off', async (what, pouring) => {
    const cache = await against((socket) => {
      socket.write(what.startsWith('a line') ? '+' : pouring);
      pourInto(socket, what.startsWith('a line') ? pouring : bulk('y'.repeat(60_000)));
    });
    const before = process.memoryUsage().rss;
    expect(await codeOf(cache.contentExists(hash, { signal }))).toBe('REMOTE_FAILED');
    expect(process.memoryUsage().rss - before).toBeLessThan(128 << 20);
  });

  it('that gives a longer slice than was asked for serves nothing', async () => {
    const cache = await against((socket, asked) => {
      if (asked.includes('EXISTS')) socket.write(':1\r\n');
      else if (asked.includes(`:0\r\n`)) socket.write(bulk('z'.repeat(65_000)).repeat(asked.split('GETRANGE').length - 1));
      else socket.write(bulk(MANIFEST));
    });
    expect(await codeOf(cache.getContent(hash, { signal }).then(drain))).toBe('CACHE_CORRUPT');
  });

  it('whose cursor never comes home ends', async () => {
    const cache = await against((socket, asked) => {
      for (let at = asked.split('SCAN').length - 1; at > 0; at -= 1) socket.write('*2\r\n$1\r\n7\r\n*0\r\n');
    });
    const listing = (async () => {
      for await (const _entry of cache.listContent?.({ signal }) ?? []);
    })();
    expect(await codeOf(listing)).toBe('REMOTE_FAILED');
  }, 60_000);

  it('that quotes the password in its error is not quoted', async () => {
    const cache = await against((socket) => socket.write('-ERR unknown command AUTH canary-of-redis\r\n'));
    const error = await cache.contentExists(hash, { signal }).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(ClipctlError);
    expect((error as ClipctlError).message).not.toContain('canary');
  });
});

describe('the guard of replies', () => {
  const reply: fc.Arbitrary<string> = fc.letrec<{ reply: string; array: string; simple: string }>((tie) => ({
    reply: fc.oneof({ depthSize: 'small', maxDepth: 3 }, tie('simple'), tie('array')),
    simple: fc.oneof(
      fc.constantFrom('+OK\r\n', '$-1\r\n', '*-1\r\n', '*0\r\n', '$0\r\n\r\n', '-ERR no\r\n', ':42\r\n'),
      fc.string({ unit: 'binary-ascii', maxLength: 50 }).map(bulk),
    ),
    array: fc.array(tie('simple'), { minLength: 1, maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
  })).reply;

  it('finds nothing wrong with any replies, however they are cut', () => {
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 8 }), fc.integer({ min: 1, max: 20 }), (replies, step) => {
        const bytes = Buffer.from(replies.join(''), 'latin1');
        const guard = new ReplyGuard();
        for (let at = 0; at < bytes.length; at += step) expect(guard.problemOf(bytes.subarray(at, at + step))).toBeUndefined();
        expect(guard.problemOf(Buffer.from('!'))).toBeDefined();
      }),
    );
  });
});
