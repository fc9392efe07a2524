import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
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

describe('sparingParser', () => {
  it('hands on why a connection failed, and the first and each further one that stands', async () => {
    await expect(ask('http://127.0.0.1:1')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const origin = await originOf();
    expect([await ask(origin), await ask(origin)]).toEqual(['ok', 'ok']);
  });
});
