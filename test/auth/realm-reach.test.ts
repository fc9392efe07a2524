import { Agent } from 'undici';
import { afterEach, describe, expect, test } from 'vitest';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import { startLoopbackRegistry, type LoopbackOptions, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { layoutOf, openForTest } from '../source/open-for-test.ts';

const LOGIN = { username: 'robot', password: 'canary-password-77ab' };
const METADATA = 'https://169.254.169.254/latest/token';
const signal = new AbortController().signal;
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function start(options: Partial<LoopbackOptions>): Promise<LoopbackRegistry> {
  const registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') }, ...options });
  closing.push(() => registry.close());
  return registry;
}

/** The registry under a public name: the name is resolved here instead of by the DNS. */
function openAsPublic({ host }: LoopbackRegistry): ImageSource {
  const agent = new Agent({
    connect: { lookup: (_name, _options, found) => found(null, [{ address: '127.0.0.1', family: 4 }]) },
  });
  const dispatcher = { open: async () => agent, close: () => agent.destroy() };
  const name = `registry.example:${host.split(':')[1] ?? ''}`;
  const source = openForTest(`${name}/lab/image:v1`, { dispatcher, insecureRegistries: [name], credentials: LOGIN });
  closing.push(
    () => source.close(),
    () => agent.destroy(),
  );
  return source;
}

function openAsLoopback({ host }: LoopbackRegistry): ImageSource {
  const source = openForTest(`${host}/lab/image:v1`, { credentials: LOGIN });
  closing.push(() => source.close());
  return source;
}

describe('a registry on a public name', () => {
  test('works when it names itself', async () => {
    const registry = await start({ auth: { kind: 'basic', ...LOGIN } });
    expect((await openAsPublic(registry).resolve({ signal })).layers).toHaveLength(3);
  });

  test.each(['https://127.0.0.1:1/token', 'https://10.0.0.1/token', 'https://[::1]/token', 'https://localhost/token', METADATA])(
    'gets no credentials sent to %s',
    async (realm) => {
      const registry = await start({ auth: { kind: 'bearer', ...LOGIN, realm } });
      await expect(openAsPublic(registry).resolve({ signal })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
      expect(registry.countOf('/token')).toBe(0);
      expect(JSON.stringify(registry.requests)).not.toMatch(/authorization/i);
    },
  );

  test('may not redirect blobs to an address of the network we stand in', async () => {
    const registry = await start({ redirectBlobs: true });
    const refused = openAsPublic(registry).resolve({ signal });
    await expect(refused).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
      message: expect.stringContaining('no public address') as string,
    });
    expect(registry.connections.storage).toBe(0);
  });
});

describe('a registry on loopback', () => {
  test('may redirect blobs to another server there', async () => {
    const registry = await start({ redirectBlobs: true });
    expect((await openAsLoopback(registry).resolve({ signal })).layers).toHaveLength(3);
    expect(registry.connections.storage).toBeGreaterThan(0);
  });

  test('leads nobody to the addresses of cloud metadata, by realm or redirect', async () => {
    const registry = await start({ auth: { kind: 'bearer', ...LOGIN, realm: METADATA } });
    await expect(openAsLoopback(registry).resolve({ signal })).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
    registry.script = () => ({ status: 302, headers: { location: METADATA } });
    await expect(openAsLoopback(registry).resolve({ signal })).rejects.toMatchObject({ code: 'REGISTRY_ERROR' });
  });
});
