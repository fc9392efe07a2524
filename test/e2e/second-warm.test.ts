/** What is named by digest needs no second request: manifests and configs are kept, and held to their digest at each read. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { startRequestLog } from '../servers/request-log.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

let home: Home;
let registry: LoopbackRegistry;
let single: string;
let several: string;
beforeEach(async () => {
  home = await makeHome();
  const made = await makeLayout(home.path('app'), [{ files: { a: 'a' } }, { files: { b: 'b' } }]);
  registry = await startLoopbackRegistry({ repositories: { app: made.directory, many: fixtureLayout('multiplatform') } });
  single = made.manifestDigest;
  const { manifests } = JSON.parse(await readFile(join(fixtureLayout('multiplatform'), 'index.json'), 'utf8')) as {
    manifests: readonly { digest: string; annotations?: Record<string, string> }[];
  };
  several = manifests[0]?.digest ?? '';
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

const documents = (): string => join(home.cacheDir, '.clipctl/v1/documents');

/** A warm, and what it asked for. */
async function warm(...args: readonly string[]): Promise<{ result: CliResult; asked: string[]; counted: number }> {
  const before = registry.requests.length;
  const result = await home.run(['warm', ...args, '--json']);
  const asked = registry.requests.slice(before).map(({ method, path }) => `${method} ${path}`);
  return { result, asked, counted: result.json<{ totals: { requests: number } }>().totals.requests };
}

describe('a second warm', () => {
  it.each([
    ['an image', () => `${registry.host}/app@${single}`],
    ['an image index', () => `${registry.host}/many@${several}`],
  ])('of %s by digest makes no request', async (_, name) => {
    const first = await warm(name());
    expect([first.result.code, first.asked.length > 2]).toEqual([0, true]);
    const second = await warm(name());
    expect([second.result.code, second.asked, second.counted]).toEqual([0, [], 0]);
  });

  it('of a tag makes one: the manifest of the tag', async () => {
    for (const name of ['app:v1', 'many:v1']) {
      const { result } = await warm(`${registry.host}/${name}`);
      expect([name, result.code]).toEqual([name, 0]);
      const second = await warm(`${registry.host}/${name}`);
      const [repository, tag] = name.split(':');
      expect([second.result.code, second.asked, second.counted]).toEqual([0, [`GET /v2/${repository}/manifests/${tag}`], 1]);
    }
  });

  it('asks again for a document that is not its digest any more, and keeps the right one', async () => {
    const name = `${registry.host}/app@${single}`;
    await warm(name);
    const path = join(documents(), single.slice('sha256:'.length));
    const right = await readFile(path);
    for (const wrong of [Buffer.from('{}'), Buffer.concat([right, Buffer.from(' ')]), Buffer.alloc(0)]) {
      await writeFile(path, wrong);
      const { result, asked } = await warm(name);
      expect([result.code, asked]).toEqual([0, [`GET /v2/app/manifests/${single}`]]);
      expect(await readFile(path)).toEqual(right);
    }
  });
});

describe.skipIf(dockerRegistryMissing() !== undefined)('a second warm from docker-registry', () => {
  it('of an image or an image index makes no request by digest, and one by tag', async () => {
    const real = await startDockerRegistry();
    const log = await startRequestLog(Number(real.host.split(':')[1]));
    try {
      const layouts: Readonly<Record<string, string>> = { app: home.path('app'), many: fixtureLayout('multiplatform') };
      for (const [repository, layout] of Object.entries(layouts))
        await pushLayout(layout, { host: real.host, repository, tag: 'v1' });
      for (const [repository, digest] of [
        ['app', single],
        ['many', several],
      ] as const) {
        expect((await home.run(['warm', `${log.host}/${repository}@${digest}`])).code).toBe(0);
        expect(log.take().length).toBeGreaterThan(2);
        for (const name of [`${repository}@${digest}`, `${repository}:v1`]) {
          const result = await home.run(['warm', `${log.host}/${name}`, '--json']);
          const asked = name.includes('@') ? [] : [`GET /v2/${repository}/manifests/v1`];
          expect([name, result.code, log.take()]).toEqual([name, 0, asked]);
          expect(result.json<{ totals: { requests: number } }>().totals.requests).toBe(asked.length);
        }
      }
    } finally {
      await log.close();
      await real.close();
    }
  });
});

it('what keeps nothing keeps no document, and verify asks the registry for everything', async () => {
  const name = `${registry.host}/app@${single}`;
  for (const args of [
    ['inspect', name],
    ['warm', name, '--dry-run'],
    ['warm', name, '--no-disk', '--to', `file://${home.path('remote')}`],
    ['verify', name],
  ]) {
    expect([args[0], (await home.run(args)).code]).toEqual([args[0], 0]);
    expect(await readdir(documents()).catch(() => [])).toEqual([]);
  }
  await warm(name);
  const before = registry.requests.length;
  expect((await home.run(['verify', name])).code).toBe(0);
  const asked = registry.requests.slice(before).map(({ path }) => path);
  expect(asked).toHaveLength(4);
  expect(asked).toContain(`/v2/app/manifests/${single}`);
});
