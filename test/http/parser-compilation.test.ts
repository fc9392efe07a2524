import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { getHeapStatistics } from 'node:v8';
import { buildConnector, Client } from 'undici';
import { afterAll, describe, expect, it } from 'vitest';
import { sparingParser } from '../../src/lib/http/parser-compilation.ts';

const server = createServer((socket) => {
  socket.on('error', () => undefined).on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
}).listen(0, '127.0.0.1');
afterAll(() => void server.close());

async function originOf(): Promise<string> {
  if (!server.listening) await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function ask(origin: string): Promise<string> {
  const client = new Client(origin, { connect: sparingParser(buildConnector({})) });
  try {
    const { body } = await client.request({ method: 'GET', path: '/' });
    return await body.text();
  } finally {
    await client.destroy();
  }
}

const MIB = 1 << 20;
const IS_KNOWN_V8 = /^1[12]\./.test(process.versions.v8);
/** V8 used to compile the parser anew after some 300 answers. */
const ANSWERS = 3000;

describe('sparingParser', () => {
  it.skipIf(!IS_KNOWN_V8)('leaves the parser as it was compiled at first, however many answers it reads', async () => {
    const answering = createHttpServer((_request, response) => response.end('ok')).listen(0, '127.0.0.1');
    await once(answering, 'listening');
    const origin = `http://127.0.0.1:${(answering.address() as AddressInfo).port}`;
    const client = new Client(origin, { connect: sparingParser(buildConnector({})) });
    try {
      const before = getHeapStatistics().peak_malloced_memory;
      for (let at = 0; at < ANSWERS; at += 1) await (await client.request({ method: 'GET', path: '/' })).body.dump();
      // The compiler takes 30 MiB for it.
      expect(getHeapStatistics().peak_malloced_memory - before).toBeLessThan(12 * MIB);
    } finally {
      await client.destroy();
      answering.close();
    }
  });

  it('hands on why a connection failed, and the first and each further one that stands', async () => {
    await expect(ask('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const origin = await originOf();
    expect([await ask(origin), await ask(origin)]).toEqual(['ok', 'ok']);
  });
});
