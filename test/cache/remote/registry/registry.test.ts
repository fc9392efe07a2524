import { readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { openRegistryRemote } from '../../../../src/lib/cache/remote/registry/registry-remote.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../../../servers/docker-registry.ts';
import { startTokenServer } from '../../../servers/token-server.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { drain, seededContent } from '../../seeded-content.ts';
import { contextForTest } from '../context-for-test.ts';

const content = seededContent(80, 100_000);
const { hash, sizeBytes } = content;

const open = (host: string): ContentCache => openRegistryRemote(new URL(`oci://${host}/team/cache`), contextForTest());
const store = (remote: ContentCache): Promise<unknown> => remote.storeContent(content.source(), hash, { sizeBytes, signal });

async function openUploadsIn({ storage }: DockerRegistry): Promise<string[]> {
  const uploads = `${storage}/docker/registry/v2/repositories/team/cache/_uploads`;
  const names = await readdir(uploads, { recursive: true }).catch((): string[] => []);
  return names.filter((name) => name.endsWith('/startedat'));
}

describe.skipIf(dockerRegistryMissing() !== undefined)('a registry remote over docker-registry', () => {
  let server: DockerRegistry;
  beforeAll(async () => {
    server = await startDockerRegistry();
  });
  afterAll(() => server.close());

  it('is a blob and an artifact manifest under a tag of its own', async () => {
    await store(open(server.host));
    const accept = { accept: 'application/vnd.oci.image.manifest.v1+json' };
    const answer = await fetch(`http://${server.host}/v2/team/cache/manifests/clipctl-${hash}`, { headers: accept });
    expect(await answer.json()).toMatchObject({
      artifactType: 'application/vnd.clipctl.layer.v1',
      layers: [{ digest: `sha256:${hash}`, size: sizeBytes }],
    });
    const blob = await fetch(`http://${server.host}/v2/team/cache/blobs/sha256:${hash}`);
    expect(Buffer.from(await blob.arrayBuffer()).equals(content.slice(0, sizeBytes))).toBe(true);
  });

  it('stores content whose size only its end tells, and replaces what is there when told', async () => {
    const remote = open(server.host);
    expect(await remote.storeUnsized?.(content.source(), hash, { signal })).toMatchObject({ skipped: true });
    const replaced = remote.storeContent(content.source(), hash, { sizeBytes, signal, replace: true });
    expect(await replaced).toEqual({ sentBytes: sizeBytes, chunks: 1, skipped: false });
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);
  });

  it('row 18: ends the upload of content that proves wrong, and leaves nothing open', async () => {
    const wrong = seededContent(81, sizeBytes);
    const storing = open(server.host).storeContent(content.source(), wrong.hash, { sizeBytes, signal });
    expect(await codeOf(storing)).toBe('DIGEST_MISMATCH');
    expect(await openUploadsIn(server)).toEqual([]);
  });

  it('lists nothing of other tags', async () => {
    const remote = open(server.host);
    await store(remote);
    const tagged = await fetch(`http://${server.host}/v2/team/cache/manifests/clipctl-${hash}`, {
      headers: { accept: 'application/vnd.oci.image.manifest.v1+json' },
    });
    const body = Buffer.from(await tagged.arrayBuffer());
    const headers = { 'content-type': 'application/vnd.oci.image.manifest.v1+json' };
    await fetch(`http://${server.host}/v2/team/cache/manifests/latest`, { method: 'PUT', headers, body });
    const found: string[] = [];
    for await (const entry of remote.listContent?.({ signal }) ?? []) found.push(entry.hash);
    expect(found).toEqual([hash]);
  });
});

describe.skipIf(dockerRegistryMissing() !== undefined)('a registry remote over docker-registry with tokens', () => {
  const login = { username: 'carol', password: 'canary-of-tokens' };

  it('row 18: asks for the right to delete when an upload has to be cancelled or a layer deleted, and not before', async () => {
    const tokens = await startTokenServer(login);
    const server = await startDockerRegistry({ tokens });
    try {
      const url = new URL(`oci://${server.host}/team/cache`);
      const remote = openRegistryRemote(url, contextForTest({ credentials: () => Promise.resolve(login) }));
      await store(remote);
      expect(tokens.requests.flatMap(({ scopes }) => scopes)).toEqual(['repository:team/cache:pull,push']);
      const wrong = seededContent(82, sizeBytes);
      expect(await codeOf(remote.storeContent(content.source(), wrong.hash, { sizeBytes, signal }))).toBe('DIGEST_MISMATCH');
      expect(await openUploadsIn(server)).toEqual([]);
      expect(await remote.deleteContent?.(hash, { signal })).toBe(true);
      expect(tokens.requests.flatMap(({ scopes }) => scopes).slice(1)).toEqual(['repository:team/cache:pull,push,delete']);
    } finally {
      await server.close();
      await tokens.close();
    }
  });
});

describe('a registry that cannot be trusted', () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  it('row 17: shows nobody the state of an upload, however it quotes it', async () => {
    const state = 'canary-of-an-upload';
    server = createServer((request, response) => {
      request.resume();
      const location = `/v2/team/cache/blobs/uploads/x?_state=${state}`;
      const quoted = JSON.stringify({ errors: [{ code: 'X', message: `no such upload: ${location}, state ${state}` }] });
      if (request.method === 'POST') response.writeHead(202, { location }).end();
      else if (request.method === 'PATCH') response.writeHead(400).end(quoted);
      else response.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const storing = store(open(`127.0.0.1:${(server.address() as AddressInfo).port}`));
    const refused: unknown = await storing.catch((error: unknown) => error);
    expect(inspect(refused, { depth: 20, showHidden: true })).toContain('no such upload');
    expect(inspect(refused, { depth: 20, showHidden: true })).not.toContain(state);
  });

  async function answering(location: string): Promise<string> {
    server = createServer((request, response) => {
      request.resume();
      if (request.method === 'POST') response.writeHead(202, { location }).end();
      else response.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it.each([
    'http://169.254.169.254/upload',
    'http://127.0.0.1:1/upload',
    'https://elsewhere.example/upload',
    'file:///etc/passwd',
    '',
  ])('row 15: is refused when it wants the upload to go on at %j', async (location) => {
    expect(await codeOf(store(open(await answering(location))))).toBe('REGISTRY_ERROR');
  });
});

describe('the URL of a registry remote', () => {
  it.each([
    'oci://',
    'oci://host',
    'oci://host/cache:tag',
    'oci://host/cache@sha256:00',
    'oci://u:hunter2@host/cache',
    'oci://host/UPPER',
    'oci://host/c?x=y',
  ])('%j is refused with USAGE', async (url) => {
    expect(await codeOf((async () => openRegistryRemote(new URL(url), contextForTest()))())).toBe('USAGE');
  });
});
