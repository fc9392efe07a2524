/** Disk → Remote → Registry from outside: what is fetched from where, how often, and what is warm afterwards. */
import { readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers } from './cache-state.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
let app: MadeLayout;
let tool: MadeLayout;
let registry: LoopbackRegistry;
let remote: string;

const BASE = { files: { 'etc/base': Buffer.alloc(200_000, 'base') } };

beforeEach(async () => {
  home = await makeHome();
  app = await makeLayout(join(home.dir, 'app'), [BASE, { files: { 'opt/app': 'app' }, compression: 'zstd' }]);
  tool = await makeLayout(join(home.dir, 'tool'), [BASE, { files: { 'opt/tool': 'tool' }, compression: 'none' }]);
  registry = await startLoopbackRegistry({ repositories: { app: app.directory, tool: tool.directory } });
  remote = join(home.dir, 'remote');
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

const remoteUrl = (): string => `file://${remote}`;
const blobRequests = (layout: MadeLayout): number =>
  registry.requests.filter(({ path }) => layout.layers.some(({ digest }) => path.endsWith(`/blobs/${digest}`))).length;

interface WarmDocument {
  readonly images: readonly {
    readonly layers: readonly { readonly servedBy: string; readonly downloadedBytes: number; readonly stored: string[] }[];
  }[];
  readonly totals: { readonly layers: number; readonly downloadedBytes: number; readonly requests: number };
  readonly warnings: readonly string[];
}

async function warm(...args: string[]): Promise<WarmDocument> {
  const result = await home.run(['warm', ...args, '--json']);
  expect(result.code, result.stderr).toBe(0);
  return result.json<WarmDocument>();
}

const servedBy = (document: WarmDocument): string[] =>
  document.images.flatMap((image) => image.layers.map((layer) => layer.servedBy));

describe('sharing', () => {
  it('two images with a common layer fetch it once and store it once', async () => {
    const document = await warm(`${registry.host}/app:v1`, `${registry.host}/tool:v1`);
    expect(document.totals.layers).toBe(3);
    expect(blobRequests(app) + blobRequests(tool)).toBe(3 + 1); // the base counts for both lists, but was asked for once
    expect(registry.requests.filter(({ path }) => path.endsWith(`/blobs/${app.layers[0]?.digest ?? ''}`))).toHaveLength(1);
    expect(await cachedLayers(home)).toHaveLength(3);
  });

  it('an image fetches only what an earlier image did not bring', async () => {
    await warm(`${registry.host}/app:v1`);
    const document = await warm(`${registry.host}/tool:v1`);
    expect(servedBy(document)).toEqual(['disk', 'registry']);
    expect(document.totals.downloadedBytes).toBe(tool.layers[1]?.compressedBytes);
  });

  it('a warm image asks for no blob at all', async () => {
    await warm(`${registry.host}/app:v1`);
    const before = blobRequests(app);
    expect(servedBy(await warm(`${registry.host}/app:v1`))).toEqual(['disk', 'disk']);
    expect(blobRequests(app)).toBe(before);
  });
});

describe('remote', () => {
  it('warm --to fills a remote, and warm --from reads it with the registry gone', async () => {
    const filled = await warm(`${registry.host}/app:v1`, '--to', remoteUrl());
    expect(filled.images[0]?.layers.map((layer) => layer.stored)).toEqual([[remoteUrl()], [remoteUrl()]]);
    await home.run(['index', `${registry.host}/app:v1`, '-o', 'app.clip']);
    await registry.close();
    await rm(home.cacheDir, { recursive: true });
    expect(servedBy(await warm('app.clip', '--from', remoteUrl()))).toEqual(['remote', 'remote']);
    expect(await cachedLayers(home)).toHaveLength(2);
  });

  it('a poisoned object is not taken: the registry serves, with a warning', async () => {
    await warm(`${registry.host}/app:v1`, '--to', remoteUrl());
    const poisoned = join(remote, app.layers[0]?.diffId.slice('sha256:'.length) ?? '');
    const bytes = await readFile(poisoned);
    bytes[1000] = (bytes[1000] ?? 0) ^ 1;
    await rm(poisoned);
    await writeFile(poisoned, bytes);
    await rm(home.cacheDir, { recursive: true });
    const document = await warm(`${registry.host}/app:v1`, '--from', remoteUrl());
    expect(servedBy(document)).toEqual(['registry', 'remote']);
    expect(document.warnings.join()).toContain('wrong bytes');
  });

  it('a remote that fails costs a warning, or exit 11 when it is required', async () => {
    await writeFile(remote, 'a file, where a directory should be');
    const document = await warm(`${registry.host}/app:v1`, '--to', remoteUrl());
    expect(document.images[0]?.layers.map((layer) => layer.stored)).toEqual([[], []]);
    expect(document.warnings.join()).toContain('remote cache');
    const required = await home.run(['warm', `${registry.host}/app:v1`, '--to', remoteUrl(), '--remote', 'required', '--json']);
    expect(required.code).toBe(11);
    expect(required.json()).toMatchObject({ error: { code: 'REMOTE_FAILED' } });
    expect((await home.run(['push-cache', `${registry.host}/app:v1`, '--to', remoteUrl()])).code).toBe(11);
    expect(await cachedLayers(home)).toHaveLength(2);
  });

  it('push-cache sends what is missing and skips what is there', async () => {
    const push = async (name: string): Promise<{ sentBytes: number; chunks: number; skipped: boolean }[]> => {
      const result = await home.run(['push-cache', `${registry.host}/${name}:v1`, '--to', remoteUrl(), '--json']);
      expect(result.code, result.stderr).toBe(0);
      const document = result.json<{ remotes: { layers: { sentBytes: number; chunks: number; skipped: boolean }[] }[] }>();
      return document.remotes.flatMap((remote) => remote.layers);
    };
    expect((await push('app')).map(({ skipped, chunks }) => [skipped, chunks])).toEqual([
      [false, 1],
      [false, 1],
    ]);
    expect((await push('tool')).map(({ skipped, sentBytes }) => [skipped, sentBytes === 0])).toEqual([
      [true, true],
      [false, false],
    ]);
  });

  it('index --to sends the layers out of the same pass', async () => {
    const result = await home.run(['index', `${registry.host}/app:v1`, '--to', remoteUrl(), '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(blobRequests(app)).toBe(2);
    const names = (await readdir(remote)).filter((name) => /^[0-9a-f]{64}$/.test(name));
    expect(names.sort()).toEqual(app.layers.map(({ diffId }) => diffId.slice('sha256:'.length)).sort());
  });
});

describe('some of it', () => {
  it('warm --layer brings in that layer only, by digest or diffID', async () => {
    const [base, top] = app.layers;
    expect((await warm(`${registry.host}/app:v1`, '--layer', base?.digest ?? '')).totals.layers).toBe(1);
    expect((await warm(`${registry.host}/app:v1`, '--layer', top?.diffId ?? '')).totals.layers).toBe(1);
    expect(await cachedLayers(home)).toHaveLength(2);
    const none = await home.run(['warm', `${registry.host}/app:v1`, '--layer', `sha256:${'0'.repeat(64)}`]);
    expect(none.code).toBe(4);
  });

  it('one image that fails does not keep the other from being warmed', async () => {
    const result = await home.run(['warm', `${registry.host}/none:v1`, `${registry.host}/app:v1`]);
    expect(result.code).toBe(4);
    expect(await cachedLayers(home)).toHaveLength(2);
  });

  it('failures of different classes exit 3', async () => {
    const result = await home.run(['warm', `${registry.host}/none:v1`, '127.0.0.1:1/app:v1', '--retries', '0', '--json']);
    expect(result.code).toBe(3);
    expect(result.json()).toMatchObject({ error: { code: 'PARTIAL_FAILURE' } });
  });
});

describe('--offline', () => {
  it('a registry is not asked: exit 10', async () => {
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--offline', '--json']);
    expect(result.code).toBe(10);
    expect(result.json()).toMatchObject({ error: { code: 'OFFLINE_MISS' } });
    expect(registry.requests).toHaveLength(0);
  });

  it('a warm index is warm, a cold one exits 10, and a layout works', async () => {
    await home.run(['index', `${registry.host}/app:v1`, '-o', 'app.clip', '--warm']);
    expect(servedBy(await warm('app.clip', '--offline'))).toEqual(['disk', 'disk']);
    await rm(home.cacheDir, { recursive: true });
    expect((await home.run(['warm', 'app.clip', '--offline'])).code).toBe(10);
    expect(servedBy(await warm(app.reference, '--offline'))).toEqual(['layout', 'layout']);
  });
});

describe('--dry-run', () => {
  it.each([
    ['warm', ['--to', 'REMOTE']],
    ['push-cache', ['--to', 'REMOTE']],
    ['index', ['--warm', '--to', 'REMOTE']],
  ])('%s says what would move, fetches no blob and writes nothing', async (command, flags) => {
    const before = await readdir(home.dir, { recursive: true });
    const args = [
      command,
      `${registry.host}/app:v1`,
      ...flags.map((flag) => (flag === 'REMOTE' ? remoteUrl() : flag)),
      '--dry-run',
      '--json',
    ];
    const result = await home.run(args);
    expect(result.code, result.stderr).toBe(0);
    const compressedBytes = app.layers.reduce((sum, layer) => sum + layer.compressedBytes, 0);
    expect(result.json()).toMatchObject({
      dryRun: true,
      tiers: { registry: { layers: 2, bytes: compressedBytes, requests: 2 } },
      sends: { [remoteUrl()]: { layers: 2 } },
    });
    expect(blobRequests(app)).toBe(0);
    expect(await readdir(home.dir, { recursive: true })).toEqual(before);
  });
});

describe('inspect', () => {
  it('shows where each layer is warm, and --check-warm exits 10 until all are', async () => {
    const reference = `${registry.host}/app:v1`;
    await warm(reference, '--layer', app.layers[0]?.digest ?? '', '--to', remoteUrl());
    const cold = await home.run(['inspect', reference, '--from', remoteUrl(), '--check-warm', '--json']);
    expect(cold.code).toBe(10);
    expect(cold.json()).toMatchObject({
      warm: false,
      layers: [
        { tiers: { disk: true, remote: { [remoteUrl()]: true } } },
        { tiers: { disk: false, remote: { [remoteUrl()]: false } } },
      ],
    });
    await warm(reference);
    const hot = await home.run(['inspect', reference, '--check-warm', '--json']);
    expect(hot.code).toBe(0);
    expect(hot.json()).toMatchObject({ warm: true, totals: { layers: 2, warmLayers: 2 } });
  });

  it('a layer file that somebody changed is not warm any more', async () => {
    await warm(app.reference);
    const path = join(home.cacheDir, app.layers[0]?.diffId.slice('sha256:'.length) ?? '');
    const bytes = await readFile(path);
    await rm(path);
    await writeFile(path, bytes.fill(0, 100, 200));
    expect((await home.run(['inspect', app.reference, '--check-warm'])).code).toBe(10);
    expect(servedBy(await warm(app.reference))).toEqual(['layout', 'disk']);
    expect((await home.run(['inspect', app.reference, '--check-warm'])).code).toBe(0);
  });

  it('a layer that Go CLIP wrote is hashed once and taken over', async () => {
    await warm(app.reference);
    await rm(join(home.cacheDir, '.clipctl'), { recursive: true });
    expect((await home.run(['inspect', app.reference, '--check-warm'])).code).toBe(10);
    expect(servedBy(await warm(app.reference))).toEqual(['disk', 'disk']);
    expect((await home.run(['inspect', app.reference, '--check-warm'])).code).toBe(0);
  });
});

describe('--dry-run fails as the command would', () => {
  it.each([
    [['warm', 'IMAGE', '--layer', `sha256:${'0'.repeat(64)}`], 4],
    [['index', 'foo.clip'], 2],
    [['index', 'IMAGE', '--storage-ref', 'BAD REF'], 2],
    [['index', 'IMAGE', '--storage-ref', `r.example/app@sha256:${'0'.repeat(64)}`], 2],
    [['index', 'IMAGE', '-o', '/no/such/place/x.clip'], 8],
  ])('%j exits %d both ways', async (args, exit) => {
    const real = args.map((arg) => (arg === 'IMAGE' ? `${registry.host}/app:v1` : arg));
    expect((await home.run(real)).code).toBe(exit);
    expect((await home.run([...real, '--dry-run'])).code).toBe(exit);
  });
});

it('a use of a layer is noted: warm and push-cache renew the time of its record', async () => {
  await warm(app.reference);
  const records = join(home.cacheDir, '.clipctl/v1/layers');
  const names = await readdir(records);
  const age = async (): Promise<number[]> =>
    Promise.all(names.map(async (name) => (Date.now() - (await stat(join(records, name))).mtimeMs) / 3_600_000));
  const longAgo = new Date(Date.now() - 48 * 3_600_000);
  for (const use of [
    ['warm', app.reference],
    ['push-cache', app.reference, '--to', remoteUrl()],
  ]) {
    for (const name of names) await utimes(join(records, name), longAgo, longAgo);
    expect((await home.run(use)).code).toBe(0);
    expect(Math.max(...(await age()))).toBeLessThan(1);
  }
});

it('an index is of one platform: asking it for another exits 4', async () => {
  await home.run(['index', app.reference, '-o', 'app.clip']);
  expect((await home.run(['inspect', 'app.clip', '--platform', 'windows/amd64'])).code).toBe(4);
});
