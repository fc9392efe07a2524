/** What a healthy registry may refuse for a moment, while others store in the same repository. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ChunkSource } from '../../../../src/lib/cache/chunk-source.ts';
import { openRegistryRemote } from '../../../../src/lib/cache/remote/registry/registry-remote.ts';
import { remoteCacheOf, type RemoteCache } from '../../../../src/lib/cache/remote-cache.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../../../servers/docker-registry.ts';
import { startMeddlingRelay, type MeddlingRelay, type OwnAnswer } from '../../../servers/meddling-relay.ts';
import { signal } from '../../cache-directory.ts';
import { drain, seededContent, type SeededContent } from '../../seeded-content.ts';
import { contextForTest } from '../context-for-test.ts';

const CONFIG = '44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a';
const RETRIES = 3;
const content = seededContent(90, 100_000);

describe.skipIf(dockerRegistryMissing() !== undefined)('a layer that is stored beside others', () => {
  let server: DockerRegistry;
  let relay: MeddlingRelay;
  let remote: RemoteCache;
  beforeEach(async () => {
    server = await startDockerRegistry({ relativeUrls: true });
    relay = await startMeddlingRelay(Number(server.host.split(':')[1]));
    const policy = { retries: RETRIES, sleep: () => Promise.resolve() };
    const url = new URL(`oci://${relay.host}/team/cache`);
    remote = remoteCacheOf(openRegistryRemote(url, contextForTest({ policy })), { policy });
  });
  afterEach(async () => {
    await remote.close();
    await relay.close();
    await server.close();
  });

  const store = ({ hash, sizeBytes, source }: SeededContent): Promise<unknown> => {
    const again: ChunkSource = { [Symbol.asyncIterator]: () => source()[Symbol.asyncIterator]() };
    return remote.storeContent(again, hash, { sizeBytes, signal });
  };
  const statuses = (method: string, path: RegExp): (number | undefined)[] =>
    relay.requests.filter((each) => each.method === method && path.test(each.path)).map(({ status }) => status);
  const expectStored = async ({ hash }: SeededContent): Promise<void> =>
    expect((await drain(await remote.getContent(hash, { signal }))).hash).toBe(hash);

  /** The first request of this kind is answered so; with `always`, all. */
  function answering(method: string, path: RegExp, own: OwnAnswer, always = false): void {
    let isDone = false;
    relay.meddle = (request) => {
      const isMeant = request.method === method && path.test(request.path) && (always || !isDone);
      isDone ||= isMeant;
      return Promise.resolve(isMeant ? own : undefined);
    };
  }

  it('sends the config that all their manifests name once, and looks for it once', async () => {
    const layers = Array.from({ length: 6 }, (_, at) => seededContent(100 + at, 50_000));
    await Promise.all(layers.map(store));
    for (const layer of layers) await expectStored(layer);
    expect(statuses('PUT', new RegExp(`digest=sha256%3A${CONFIG}`))).toEqual([201]);
    expect(statuses('HEAD', new RegExp(`blobs/sha256:${CONFIG}`))).toEqual([404]);
    expect(statuses('PUT', /\/manifests\//)).toEqual(layers.map(() => 201));
  });

  it.each([
    ['config', CONFIG],
    ['layer', content.hash],
  ])('sends its manifest again when docker-registry 2.8 reads the link of its %s while another writes it', async (_, hex) => {
    const link = `${server.storage}/docker/registry/v2/repositories/team/cache/_layers/sha256/${hex}/link`;
    let before: string | undefined;
    relay.meddle = async ({ method, path }) => {
      // What a push of the same blob by somebody else does, one step at a time.
      if (before !== undefined) await writeFile(link, before);
      else if (method === 'PUT' && path.includes('/manifests/')) {
        before = await readFile(link, 'utf8');
        await writeFile(link, '');
      }
      return undefined;
    };
    await store(content);
    expect(statuses('PUT', /\/manifests\//)).toEqual([400, 201]);
    expect(statuses('PUT', new RegExp(`digest=sha256%3A${content.hash}`))).toEqual([201]);
    await expectStored(content);
  });

  it.each([
    { status: 400, code: 'MANIFEST_BLOB_UNKNOWN' },
    { status: 404, code: 'BLOB_UNKNOWN' },
    { status: 503, code: 'UNAVAILABLE' },
  ])('is sent once, whatever becomes of its manifest: $status $code', async (own) => {
    answering('PUT', /\/manifests\//, own);
    await store(content);
    expect(statuses('PUT', /\/manifests\//)).toEqual([own.status, 201]);
    expect(statuses('PATCH', /\/uploads\//)).toEqual([202, 202]);
    await expectStored(content);
  });

  it.each([
    { status: 400, code: 'MANIFEST_BLOB_UNKNOWN', tries: 1 + RETRIES },
    { status: 503, code: 'UNAVAILABLE', tries: 1 + RETRIES },
    { status: 400, code: 'MANIFEST_INVALID', tries: 1 },
    { status: 404, code: 'NAME_UNKNOWN', tries: 1 },
  ])(
    'is given up after $tries tries of its manifest when that is refused with $status $code',
    async ({ status, code, tries }) => {
      answering('PUT', /\/manifests\//, { status, code }, true);
      await expect(store(content)).rejects.toMatchObject({ code: 'REGISTRY_ERROR', retryable: false });
      expect(statuses('PUT', /\/manifests\//)).toEqual(Array.from({ length: tries }, () => status));
      expect(statuses('PUT', new RegExp(`digest=sha256%3A${content.hash}`))).toEqual([201]);
    },
  );

  it.each(['PATCH', 'PUT'])('is sent from its start when the registry has forgotten the upload at the %s', async (method) => {
    answering(method, /\/uploads\//, { status: 404, code: 'BLOB_UPLOAD_UNKNOWN' });
    await store(content);
    expect(statuses('POST', /\/uploads\//)).toEqual([202, 202, 202]);
    await expectStored(content);
  });

  it('is not sent again when the registry refuses the upload itself', async () => {
    answering('PATCH', /\/uploads\//, { status: 400, code: 'BLOB_UPLOAD_INVALID' });
    await expect(store(content)).rejects.toMatchObject({ code: 'REGISTRY_ERROR', retryable: false });
    expect(statuses('POST', /\/uploads\//)).toEqual([202]);
  });
});
