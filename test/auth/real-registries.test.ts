import { createHash } from 'node:crypto';
import { inspect } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import { createDispatcher } from '../../src/lib/http/dispatcher.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import type { OpenSourceOptions } from '../../src/lib/source/open-source.ts';
import { readAll } from '../conformance/image-source.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import { nginxMissing } from '../servers/nginx.ts';
import { PRESIGNED_CANARY, startNginxFront } from '../servers/nginx-front.ts';
import { startTokenServer } from '../servers/token-server.ts';
import { layoutOf, openForTest } from '../source/open-for-test.ts';

const LOGIN = { username: 'robot', password: 'canary-password-0a6b' };
const signal = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function open(name: string, options: Partial<OpenSourceOptions> = {}): ImageSource {
  const source = openForTest(name, options);
  closing.push(() => source.close());
  return source;
}

async function readImage(source: ImageSource): Promise<void> {
  const image = await source.resolve({ signal });
  const digests = await Promise.all(
    image.layers.map(
      async (layer) =>
        `sha256:${createHash('sha256')
          .update(await readAll(source, layer))
          .digest('hex')}`,
    ),
  );
  expect(digests).toEqual(image.layers.map(({ digest }) => digest));
}

describe.skipIf(dockerRegistryMissing() !== undefined)('docker-registry with token auth', () => {
  test('lets in who has the scope, with one token for all requests; who has not is UNAUTHORIZED', async () => {
    const tokens = await startTokenServer({ ...LOGIN, publicRepositories: ['lab/public'] });
    closing.push(() => tokens.close());
    const registry = await startDockerRegistry({ tokens });
    closing.push(() => registry.close());
    const { host } = registry;
    for (const repository of ['lab/public', 'lab/private']) {
      await pushLayout(layoutOf('odd-gzip'), { host, repository, tag: 'v1', tokens });
    }
    await readImage(open(`${host}/lab/private:v1`, { credentials: LOGIN }));
    expect(tokens.requests).toEqual([{ scopes: ['repository:lab/private:pull'], user: 'robot' }]);
    await readImage(open(`${host}/lab/public:v1`));
    expect(tokens.requests.at(-1)).toEqual({ scopes: ['repository:lab/public:pull'], user: '' });
    await expect(open(`${host}/lab/private:v1`).resolve({ signal })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    const wrong = open(`${host}/lab/private:v1`, { credentials: { ...LOGIN, password: 'canary-wrong' } }).resolve({ signal });
    const refused: unknown = await wrong.catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'UNAUTHORIZED' });
    expect(inspect(refused, { depth: 20, showHidden: true })).not.toContain('canary-wrong');
  });
});

describe.skipIf(dockerRegistryMissing() !== undefined || nginxMissing() !== undefined)(
  'nginx in front of docker-registry',
  () => {
    test('TLS by an authority of ours, blobs redirected to a storage host that never sees the login', async () => {
      const registry = await startDockerRegistry({ login: LOGIN });
      closing.push(() => registry.close());
      await pushLayout(layoutOf('odd-gzip'), { host: registry.host, repository: 'lab/image', tag: 'v1', login: LOGIN });
      const front = await startNginxFront({ registry: registry.host, storage: registry.storage });
      closing.push(() => front.close());
      const dispatcher = createDispatcher({ timeoutMs: 5_000, insecureHosts: [], caFile: front.caFile });
      closing.push(() => dispatcher.close());
      // A loopback registry is spoken to in plain HTTP unless it is told that TLS may be there.
      const options = { credentials: LOGIN, dispatcher, insecureRegistries: [front.host] };
      await readImage(open(`${front.host}/lab/image:v1`, options));
      const log = await front.storageLog();
      expect(log.length).toBeGreaterThanOrEqual(4);
      for (const line of log) expect(line).toMatch(/auth=\[-\] cookie=\[-\] 20[06]$/);
      await registry.close();
      const failed: unknown = await open(`${front.host}/lab/nothing:v1`, { ...options, retries: 0 })
        .resolve({ signal })
        .catch((error: unknown) => error);
      const shown = inspect(failed, { depth: 20, showHidden: true });
      for (const secret of [LOGIN.password, PRESIGNED_CANARY]) expect(shown).not.toContain(secret);
    });
  },
);
