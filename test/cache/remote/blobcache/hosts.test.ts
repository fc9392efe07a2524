/** Several hosts: who is asked for what, and where a list must not lead. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { status } from '@grpc/grpc-js';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openBlobcacheRemote } from '../../../../src/lib/cache/remote/blobcache/blobcache-remote.ts';
import { listedTarget } from '../../../../src/lib/cache/remote/blobcache/listed-target.ts';
import { hostFor } from '../../../../src/lib/cache/remote/blobcache/rendezvous.ts';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import { createDispatcher } from '../../../../src/lib/http/dispatcher.ts';
import { startBlobcacheServer, type BlobcacheServer } from '../../../servers/blobcache-server.ts';
import { startRawServer } from '../../../servers/raw-server.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { drain, seededContent } from '../../seeded-content.ts';
import { contextForTest } from '../context-for-test.ts';

const contents = Array.from({ length: 12 }, (_, at) => seededContent(100 + at, 1000 + at));
let servers: BlobcacheServer[];
let named: BlobcacheServer;
let remote: ContentCache;

const listed = (): { host_id: string; addr: string }[] =>
  servers.map(({ port }, at) => ({ host_id: `host-${at}`, addr: `127.0.0.1:${port}` }));
const open = (over: Partial<RemoteContext> = {}): ContentCache => openBlobcacheRemote(new URL(named.url), contextForTest(over));
const storeAll = async (): Promise<void> => {
  for (const { source, hash, sizeBytes } of contents) await remote.storeContent(source(), hash, { sizeBytes, signal });
};

beforeEach(async () => {
  servers = await Promise.all([1, 2, 3].map(() => startBlobcacheServer()));
  named = servers[0]!;
  remote = open();
});
afterEach(async () => {
  await remote.close();
  await Promise.all(servers.map((server) => server.close()));
});

describe('hosts that a server lists', () => {
  it('share the contents as rendezvous hashing has it, and are asked for their own', async () => {
    named.hosts = listed();
    await storeAll();
    const expected = servers.map((_server, at) =>
      contents
        .filter(
          ({ hash }) =>
            hostFor(
              hash,
              listed().map(({ host_id: id }) => ({ id })),
            )?.id === `host-${at}`,
        )
        .map(({ hash }) => hash),
    );
    expect(servers.map((server) => server.contents.hashes)).toEqual(expected.map((hashes) => hashes.sort()));
    expect(expected.every((hashes) => hashes.length > 0)).toBe(true);
    for (const { hash } of contents) expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
    expect(named.calls.filter((call) => call.startsWith('GetAvailableHosts'))).toHaveLength(1);
  });

  it('are asked for by locality', async () => {
    const local = openBlobcacheRemote(new URL(`${named.url}?locality=eu-1`), contextForTest());
    await local.contentExists(contents[0]!.hash, { signal });
    await local.close();
    expect(named.calls[0]).toBe('GetAvailableHosts eu-1');
  });

  it('that cannot be reached lose their share to the others, one failure each', async () => {
    named.hosts = listed();
    await servers[2]?.close();
    const codes = new Set<unknown>();
    for (const { hash } of contents) codes.add(await codeOf(remote.contentExists(hash, { signal })));
    expect([...codes].sort()).toEqual(['NETWORK', undefined]);
    await storeAll();
    expect(servers.flatMap((server) => server.contents.hashes).length).toBe(contents.length);
  });

  it('that are none, or one, or not told: the server itself keeps everything', async () => {
    for (const answer of ['none', 'one', 'unimplemented']) {
      named.contents.clear();
      named.hosts = answer === 'one' ? [{ host_id: 'x', addr: '192.0.2.1:2049' }] : [];
      named.faults = answer === 'unimplemented' ? { fails: { calls: ['GetAvailableHosts'], status: status.UNIMPLEMENTED } } : {};
      await remote.close();
      remote = open({ timeoutMs: 1000 });
      await storeAll();
      expect(named.contents.hashes.length, answer).toBe(contents.length);
    }
  });

  it('row 31: get no call at addresses where a server must not lead, or that are none', async () => {
    const touched: string[] = [];
    const trap = await startRawServer((_socket, bytes) => touched.push(bytes.toString('latin1')));
    const hostile = [
      '169.254.169.254:80',
      `unix:/tmp/x:${trap.port}`,
      `http://127.0.0.1:${trap.port}`,
      `127.0.0.1:${trap.port}/path`,
      `user@127.0.0.1:${trap.port}`,
      '127.0.0.1:0',
      '127.0.0.1:99999',
      '127.0.0.1',
      'metadata.google.internal:80',
      `127.0.0.1:${trap.port}\r\nx`,
      '',
    ];
    named.hosts = hostile.map((addr, at) => ({ host_id: `evil-${at}`, addr }));
    await storeAll();
    expect(named.contents.hashes.length).toBe(contents.length);
    expect(touched).toEqual([]);
    await trap.close();
  });

  it.each([
    ['10.0.0.1:2049', 'cache.example:2049', undefined],
    ['127.0.0.1:2049', 'cache.example:2049', undefined],
    ['inside.example:2049', 'cache.example:2049', undefined],
    ['169.254.169.254:80', '10.0.0.9:2049', undefined],
    ['10.0.0.1:2049', '10.0.0.9:2049', 'ipv4:10.0.0.1:2049'],
    ['inside.example:2049', '10.0.0.9:2049', 'ipv4:10.0.0.7:2049'],
    ['[fd00::1]:2049', '10.0.0.9:2049', 'ipv6:[fd00::1]:2049'],
    ['other.example:2049', 'cache.example:2049', 'ipv4:203.0.113.9:2049'],
  ])('row 14: %s, listed by %s, leads to %s', async (listed, from, target) => {
    const askName = async (name: string): Promise<{ address: string; family: number }[]> => [
      { address: name === 'inside.example' ? '10.0.0.7' : '203.0.113.9', family: 4 },
    ];
    expect(await listedTarget(listed, from, createDispatcher({ timeoutMs: 1000, insecureHosts: [], askName }))).toBe(target);
  });

  it('are no more than 64', async () => {
    named.hosts = Array.from({ length: 5000 }, (_, at) => ({ host_id: `host-${at}`, addr: `127.0.0.1:${named.port}` }));
    await storeAll();
    expect(named.contents.hashes.length).toBe(contents.length);
  });
});
