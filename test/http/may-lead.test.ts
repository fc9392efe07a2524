import type { LookupAddress } from 'node:dns';
import { describe, expect, test } from 'vitest';
import { AddressBook } from '../../src/lib/http/address-book.ts';
import { createDispatcher } from '../../src/lib/http/dispatcher.ts';
import { createHttpClient } from '../../src/lib/http/http-client.ts';
import { mayLead } from '../../src/lib/http/may-lead.ts';
import { readBody } from '../../src/lib/http/read-body.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { layoutOf } from '../source/open-for-test.ts';

describe('mayLead', () => {
  test.each<[string, string, boolean]>([
    ['https://registry.example', 'https://auth.example/token', true],
    ['https://registry.example', 'https://registry.example/token', true],
    ['https://registry.example', 'https://10.0.0.1/token', false],
    ['https://registry.example', 'https://127.0.0.1:8080/token', false],
    ['https://registry.example', 'https://localhost/token', false],
    ['https://registry.example', 'https://[::1]/token', false],
    ['https://registry.example', 'https://169.254.169.254/latest', false],
    // WHATWG URL knows these as 127.0.0.1 and 10.0.0.1.
    ['https://registry.example', 'https://0x7f.1/token', false],
    ['https://registry.example', 'https://167772161/token', false],
    ['https://registry.example', 'https://[::ffff:10.0.0.1]/token', false],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5000/token', true],
    ['http://127.0.0.1:5000', 'http://127.0.0.1:5001/token', true],
    ['https://10.0.0.1', 'https://10.0.0.2/token', true],
    ['https://10.0.0.1', 'https://127.0.0.1/token', true],
    ['https://registry', 'https://10.0.0.2/token', true],
    ['https://10.0.0.1', 'https://storage.example/blob', true],
    ['https://10.0.0.1', 'https://169.254.169.254/latest', false],
    ['http://127.0.0.1:5000', 'http://169.254.169.254/latest', false],
    ['https://169.254.0.1', 'https://169.254.0.1/token', true],
    ['https://8.8.8.8', 'https://192.168.1.1/', false],
    ['https://8.8.8.8:5000', 'https://8.8.8.8:5001/', true],
  ])('from %s to %s: %s', async (from, to, expected) => {
    expect(await mayLead(new URL(from), new URL(to), {})).toBe(expected);
  });
});

/** A DNS of ours: each name has its answers, in turn, the last one for ever. */
function bookOf(names: Readonly<Record<string, readonly string[]>>): { book: AddressBook; asked: string[] } {
  const asked: string[] = [];
  const ask = (hostname: string): Promise<LookupAddress[]> => {
    const answers = names[hostname] ?? [];
    const address = answers[Math.min(asked.filter((name) => name === hostname).length, answers.length - 1)];
    asked.push(hostname);
    if (address === undefined) return Promise.reject(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }));
    return Promise.resolve([{ address, family: address.includes(':') ? 6 : 4 }]);
  };
  return { book: new AddressBook(ask), asked };
}

// RELIABILITY 1.3 rows 14 and 15
describe('a name that resolves into another network', () => {
  const NAMES = {
    'registry.example': ['93.184.216.34'],
    'evil.example': ['10.0.0.7'],
    'meta.example': ['169.254.169.254'],
    'corp.example': ['10.1.1.1'],
    'v6.example': ['fd12::1'],
    'cdn.example': ['93.184.216.35'],
  };
  test.each<[string, string, boolean]>([
    ['https://registry.example', 'https://cdn.example/blob', true],
    ['https://registry.example', 'https://evil.example/blob', false],
    ['https://registry.example', 'https://meta.example/latest', false],
    ['https://registry.example', 'https://v6.example/blob', false],
    ['https://corp.example', 'https://evil.example/blob', true],
    ['https://corp.example', 'https://10.2.2.2/blob', true],
    ['https://corp.example', 'https://meta.example/latest', false],
    ['https://registry.example', 'https://unknown.example/blob', true],
  ])('row 14: %s leads to %s: %s', async (from, to, expected) => {
    const { book } = bookOf(NAMES);
    expect(await mayLead(new URL(from), new URL(to), { addresses: book })).toBe(expected);
  });

  test.each([
    ['at first not at all', [], '127.0.0.1'],
    ['as public at first', ['93.184.216.36'], '127.0.0.1'],
    ['as private at first', ['10.0.0.9'], '127.0.0.1'],
  ] as const)(
    'row 14: that is known %s, and when its turn comes as this machine, is not connected to',
    async (_, first, then) => {
      const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') } });
      // Longer than addresses are remembered: each question is asked anew.
      const answers = [...first.map((address) => [address]), ...(first.length === 0 ? [[]] : []), [then]];
      let asked = 0;
      const dispatcher = createDispatcher({
        timeoutMs: 3_000,
        insecureHosts: [],
        askName: async () => (answers[asked++] ?? [then]).map((address) => ({ address, family: 4 })),
        rememberedMs: 0,
      });
      const http = createHttpClient(dispatcher);
      try {
        const url = new URL(`http://rebind.example:${registry.host.split(':')[1] ?? ''}/v2/`);
        await http.mayLead(new URL('https://10.1.2.3'), url);
        const { signal } = new AbortController();
        const asking = http.send({ method: 'GET', url, headers: {}, signal });
        await expect(asking).rejects.toMatchObject({ code: 'REGISTRY_ERROR', retryable: false });
        expect([asked, registry.connections.registry]).toEqual([2, 0]);
      } finally {
        await dispatcher.close();
        await registry.close();
      }
    },
  );

  test('row 14: that answers otherwise the second time is connected to at the address that was judged', async () => {
    const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') } });
    const { book, asked } = bookOf({ 'rebind.example': ['127.0.0.1', '10.255.255.1'] });
    const dispatcher = createDispatcher({
      timeoutMs: 3_000,
      insecureHosts: [],
      askName: (name) => book.resolve(name).then((all) => [...all]),
    });
    const http = createHttpClient(dispatcher);
    try {
      const url = new URL(`http://rebind.example:${registry.host.split(':')[1] ?? ''}/v2/`);
      expect(await http.mayLead(new URL('https://93.184.216.34'), url)).toBe(false);
      const signal = new AbortController().signal;
      await readBody(await http.send({ method: 'GET', url, headers: {}, signal }), 1024, signal);
      expect(registry.requests).toHaveLength(1);
      expect(asked).toEqual(['rebind.example']);
    } finally {
      await dispatcher.close();
      await registry.close();
    }
  });
});
