/** Several platforms in one run: each layer once, an error that lists what exists, and what a config may promise of a layer. */
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatPlatform, hostPlatform } from '../../src/lib/oci/platform.ts';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

const THREE = `oci:${fixtureLayout('multiplatform')}`;

interface Warmed {
  readonly images: readonly { readonly platform: string; readonly layers: readonly { readonly diffId: string }[] }[];
  readonly totals: { readonly layers: number; readonly requests: number };
}

async function warm(...args: readonly string[]) {
  const result = await home.run(['warm', ...args, '--json']);
  return { code: result.code, document: result.json<Warmed>(), error: result.json().error, stderr: result.stderr };
}

describe('warm of an image index', () => {
  it('with --all-platforms brings every platform, each layer once', async () => {
    const { code, document } = await warm(THREE, '--all-platforms');
    expect(code).toBe(0);
    const platforms = document.images.map(({ platform }) => platform);
    expect(new Set(platforms).size).toBe(3);
    const distinct = new Set(document.images.flatMap(({ layers }) => layers.map(({ diffId }) => diffId)));
    expect(document.totals.layers).toBe(distinct.size);
    for (const diffId of distinct) expect(await readdir(home.cacheDir)).toContain(diffId.slice('sha256:'.length));
  });

  it('with two --platform brings those two, and the same one twice counts once', async () => {
    const all = (await warm(THREE, '--all-platforms')).document.images.map(({ platform }) => platform);
    const [first = '', second = ''] = all;
    const { code, document } = await warm(THREE, '--platform', first, '--platform', second, '--platform', first);
    expect([code, document.images.map(({ platform }) => platform)]).toEqual([0, [first, second]]);
  });

  it('of a platform that is missing is exit 4 and lists those that exist', async () => {
    const { code, error } = await warm(THREE, '--platform', 'linux/s390x');
    expect([code, error?.code]).toEqual([4, 'PLATFORM_NOT_FOUND']);
    for (const platform of (await warm(THREE, '--all-platforms')).document.images.map((image) => image.platform))
      expect(error?.message).toContain(platform);
  });

  it('with both flags is a wrong use', async () => {
    expect((await warm(THREE, '--platform', 'linux/amd64', '--all-platforms')).code).toBe(2);
  });
});

it('push-cache --all-platforms sends every distinct layer of all platforms', async () => {
  const { document } = await warm(THREE, '--all-platforms');
  const distinct = new Set(document.images.flatMap(({ layers }) => layers.map(({ diffId }) => diffId)));
  const result = await home.run(['push-cache', THREE, '--all-platforms', '--to', `file://${home.path('remote')}`, '--json']);
  const [remote] = result.json<{ remotes: readonly { layers: readonly { diffId: string }[] }[] }>().remotes;
  expect(result.code).toBe(0);
  expect(new Set(remote?.layers.map(({ diffId }) => diffId))).toEqual(distinct);
});

it('attestations are no platforms: all are taken without them, one word says so, and verify checks their bytes', async () => {
  const made = await makeLayout(home.path('app'), [{ files: { a: 'a' } }]);
  const index = await readFile(join(made.directory, 'index.json'), 'utf8');
  const { manifests } = JSON.parse(index) as { manifests: readonly { digest: string; size: number; mediaType: string }[] };
  const [image] = manifests;
  const unknown = { os: 'unknown', architecture: 'unknown' };
  const annotations = { 'vnd.docker.reference.type': 'attestation-manifest', 'vnd.docker.reference.digest': image?.digest };
  const config = { mediaType: 'application/vnd.oci.empty.v1+json', ...(await write(made.directory, '{}')) };
  const document = { schemaVersion: 2, mediaType: image?.mediaType, config, layers: [] };
  const attestation = await write(made.directory, JSON.stringify(document));
  const listed = { ...image, ...attestation, platform: unknown, annotations };
  await writeFile(join(made.directory, 'index.json'), await nested(made.directory, [{ ...image, annotations: {} }, listed]));
  for (const command of ['warm', 'verify']) {
    const args = command === 'warm' ? ['--all-platforms'] : [];
    const result = await home.run([command, made.reference, ...args, '--json']);
    const { images, warnings } = result.json<Warmed & { readonly warnings: readonly string[] }>();
    expect([command, result.code, images.length]).toEqual([command, 0, 1]);
    if (command === 'warm') expect(warnings).toEqual([`${made.reference}: skipped 1 attestation`]);
  }
  const path = join(made.directory, 'blobs/sha256', config.digest.slice('sha256:'.length));
  await writeFile(path, '[]');
  expect((await home.run(['warm', made.reference, '--all-platforms', '--cache-dir', home.path('other')])).code).toBe(0);
  const wrong = await home.run(['verify', made.reference, '--json']);
  expect([wrong.code, wrong.json()['problems']]).toMatchObject([
    7,
    [{ code: 'DIGEST_MISMATCH', severity: 'error', where: `blob ${config.digest}` }],
  ]);
  await rm(path);
  expect((await home.run(['verify', made.reference])).code).toBe(4);
  expect((await home.run(['verify', made.reference, '--platform', formatPlatform(hostPlatform())])).code).toBe(0);
});

async function write(directory: string, text: string): Promise<{ readonly digest: string; readonly size: number }> {
  const hex = createHash('sha256').update(text).digest('hex');
  await writeFile(join(directory, 'blobs/sha256', hex), text);
  return { digest: `sha256:${hex}`, size: Buffer.byteLength(text) };
}

/** An index.json whose tag v1 is an image index of these. */
async function nested(directory: string, manifests: readonly unknown[]): Promise<string> {
  const mediaType = 'application/vnd.oci.image.index.v1+json';
  const bytes = JSON.stringify({ schemaVersion: 2, mediaType, manifests });
  const hex = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(directory, 'blobs/sha256', hex), bytes);
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const root = { mediaType, digest: `sha256:${hex}`, size: Buffer.byteLength(bytes), annotations };
  return JSON.stringify({ schemaVersion: 2, mediaType, manifests: [root] });
}

it('two platforms that share a layer and promise two diffIDs of it: refused by index and warm, listed by verify', async () => {
  const layer: MadeLayer = { files: { file: 'content' } };
  const lie: MadeLayer = { ...layer, claims: { diffId: `sha256:${'0'.repeat(64)}` } };
  // Both write blobs into one layout; only the second one's index.json is left, and is replaced.
  const one = await makeLayout(home.path('app'), [layer]);
  const other = await makeLayout(home.path('app'), [lie]);
  const listed = await Promise.all(
    [one, other].map(async ({ manifestDigest }, at) => ({
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      digest: manifestDigest,
      size: (await readFile(join(other.directory, 'blobs/sha256', manifestDigest.slice('sha256:'.length)))).length,
      platform: { os: 'linux', architecture: at === 0 ? 'amd64' : 'arm64' },
    })),
  );
  expect(one.layers[0]?.digest).toBe(other.layers[0]?.digest);
  await writeFile(join(other.directory, 'index.json'), await nested(other.directory, listed));
  for (const args of [['index', '-o', home.path('x.clip')], ['warm'], ['verify']]) {
    const [command = '', ...flags] = args;
    const all = command === 'verify' ? [] : ['--all-platforms'];
    const result = await home.run([command, other.reference, ...flags, ...all, '--json']);
    expect([command, result.code]).toEqual([command, 7]);
    expect(result.stdout).toMatch(/MANIFEST_INVALID|DIFF_ID_MISMATCH/);
  }
  const kept = (await readdir(home.cacheDir)).filter((name) => /^[0-9a-f]{64}$/.test(name));
  expect(kept).not.toContain('0'.repeat(64));
});

describe('one layer listed twice', () => {
  const layer: MadeLayer = { files: { file: 'content' } };

  it('with two diffIDs is exit 7 in every command that would take it, and nothing is kept', async () => {
    const lie: MadeLayer = { ...layer, claims: { diffId: `sha256:${'0'.repeat(64)}` } };
    for (const layers of [
      [layer, lie],
      [lie, layer],
    ]) {
      const { reference } = await makeLayout(home.path('app'), layers);
      for (const args of [['warm'], ['index', '-o', home.path('x.clip')], ['verify'], ['inspect']]) {
        const [command = '', ...flags] = args;
        const result = await home.run([command, reference, ...flags, '--json']);
        expect([command, result.code]).toEqual([command, 7]);
        expect(result.stdout).toContain('MANIFEST_INVALID');
      }
    }
    expect((await readdir(home.cacheDir).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name))).toEqual([]);
  });

  it('with one diffID is brought once', async () => {
    const { reference } = await makeLayout(home.path('app'), [layer, { files: { b: 'b' } }, layer]);
    const { code, document } = await warm(reference);
    expect([code, document.totals.layers, document.images[0]?.layers.length]).toEqual([0, 2, 3]);
  });
});

it('row 34: of a tag the manifest is asked for once in a run, and all else by digest', async () => {
  const made = await makeLayout(home.path('app'), [{ files: { a: 'a' } }, { files: { b: 'b' } }]);
  const registry = await startLoopbackRegistry({ repositories: { app: made.directory } });
  try {
    expect((await warm(`${registry.host}/app:v1`)).code).toBe(0);
    const tagged = registry.requests.filter(({ path }) => path.endsWith('/manifests/v1'));
    expect(tagged).toHaveLength(1);
  } finally {
    await registry.close();
  }
});
