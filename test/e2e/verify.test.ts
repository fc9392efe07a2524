/** `clipctl verify`: every problem of every layer by its code, and nothing kept. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { check, readSchema } from '../cli/json-schema.ts';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';
import { blobPath } from '../servers/layout-writer.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../servers/make-layout.ts';
import { Breakable } from '../servers/breakable.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

const WRONG = `sha256:${'0'.repeat(64)}`;
const GOOD: MadeLayer = { files: { 'a/': '', 'a/file': 'content' } };
const TWICE: MadeLayer = { files: { file: 'one', './file': 'two' } };
const ZSTD_TYPE = 'application/vnd.oci.image.layer.v1.tar+zstd';

interface Verified {
  readonly ok: boolean;
  readonly checked: { readonly layers: number };
  readonly problems: readonly { readonly code: string; readonly severity: string; readonly where: string }[];
}

const made = (layers: readonly MadeLayer[]) => makeLayout(home.path('app'), layers);
const codesOf = (result: CliResult): string[] => result.json<Verified>().problems.map(({ code }) => code);

async function verify(...args: readonly string[]): Promise<CliResult> {
  const result = await home.run(['verify', ...args, '--json']);
  if (result.code !== 2 && !('error' in result.json())) expect(check(result.json(), readSchema('verify'))).toEqual([]);
  return result;
}

describe('an image that is right', () => {
  it('is ok, exit 0, each platform of it, and nothing is written', async () => {
    const result = await verify(`oci:${fixtureLayout('multiplatform')}`);
    expect([result.code, result.json<Verified>().ok]).toEqual([0, true]);
    expect(result.json()['images']).toHaveLength(3);
    expect(result.json<Verified>().checked.layers).toBe(2);
    expect(await readdir(home.cacheDir).catch(() => [])).toEqual([]);
  });

  it('of one platform only reads that one', async () => {
    const result = await verify(`oci:${fixtureLayout('multiplatform')}`, '--platform', 'linux/amd64');
    expect(result.json()).toMatchObject({ platform: 'linux/amd64', ok: true, checked: { layers: 1 } });
  });
});

describe('an image that is wrong is exit 7', () => {
  it('and all problems of all its layers are listed', async () => {
    const layout = await made([GOOD, TWICE, { files: { b: 'b' }, claims: { diffId: WRONG } }, { files: { c: 'c' } }]);
    const last = blobPath(layout.directory, layout.layers[3]?.digest ?? '');
    const bytes = await readFile(last);
    await writeFile(last, Buffer.concat([bytes.subarray(0, -1), Buffer.from([255])]));
    const result = await verify(layout.reference);
    expect(result.code).toBe(7);
    expect(codesOf(result).sort()).toEqual(['DIFF_ID_MISMATCH', 'DIGEST_MISMATCH', 'DUPLICATE_PATH']);
    expect(result.json<Verified>().problems.find(({ code }) => code === 'DUPLICATE_PATH')?.where).toContain('/file');
    expect(await readdir(home.cacheDir).catch(() => [])).toEqual([]);
  });

  it.each([
    ['a size that is too large', { claims: { compressedBytes: 100_000 } }, 'SIZE_MISMATCH', 7],
    ['a media type nobody knows', { claims: { mediaType: 'application/vnd.example+foo' } }, 'UNSUPPORTED_MEDIA_TYPE', 9],
  ])('%s', async (_, claims, code, exit) => {
    const layout = await made([{ ...GOOD, ...claims }]);
    const result = await verify(layout.reference);
    expect([result.code, codesOf(result)]).toEqual([exit, [code]]);
  });

  it('also when the manifest is', async () => {
    const layout = await made([GOOD]);
    await writeFile(blobPath(layout.directory, layout.manifestDigest), '{}');
    const result = await verify(layout.reference);
    expect([result.code, codesOf(result)]).toEqual([7, ['SIZE_MISMATCH']]);
  });

  it('for people one problem a paragraph, with its code', async () => {
    const result = await home.run(['verify', (await made([TWICE])).reference]);
    expect(result.code).toBe(7);
    expect(result.stdout).toMatch(/DUPLICATE_PATH layer sha256:[0-9a-f]{64} \/file\n/);
    expect(result.stdout).toContain('failed, 1 problem in ');
  });
});

describe('what an image index lists of a type that nobody knows', () => {
  const OTHER = 'application/vnd.example.thing.v1+json';

  /** An image index with the image and a thing whose bytes are `bytes`; its descriptor is of `{}`. */
  async function withThing(bytes: string, type = OTHER): Promise<Breakable> {
    const image = new Breakable((await made([GOOD])).directory);
    const thing = await image.write({});
    await image.wrap(() => undefined, [{ mediaType: type, ...thing }]);
    await writeFile(blobPath(image.directory, thing.digest), bytes);
    return image;
  }

  it.each([OTHER, ''])('%j is hashed: ok where its bytes are right, exit 7 where not', async (type) => {
    const right = await withThing('{}', type);
    expect((await verify(`oci:${right.directory}:v1`)).code).toBe(0);
    for (const [bytes, code] of [
      ['[]', 'DIGEST_MISMATCH'],
      ['{} ', 'SIZE_MISMATCH'],
    ] as const) {
      const wrong = await verify(`oci:${(await withThing(bytes, type)).directory}:v1`);
      expect([wrong.code, codesOf(wrong)]).toEqual([7, [code]]);
    }
  });

  it('is looked for among the manifests and the blobs of a registry; missing is exit 4', async () => {
    const image = await withThing('{}');
    const registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    const thing = await image.write({});
    const isThing = ({ path }: { readonly path: string }): boolean => path.endsWith(thing.digest);
    try {
      expect((await verify(`${registry.host}/app:v1`)).code).toBe(0);
      registry.script = ({ path }) => (isThing({ path }) && path.includes('/manifests/') ? { status: 404 } : undefined);
      expect((await verify(`${registry.host}/app:v1`)).code).toBe(0);
      registry.script = (request) => (isThing(request) ? { status: 404 } : undefined);
      const missing = await verify(`${registry.host}/app:v1`);
      expect([missing.code, codesOf(missing)]).toEqual([4, ['BLOB_NOT_FOUND']]);
    } finally {
      await registry.close();
    }
  });
});

it('row 13: bytes that are not what their media type says are a warning, and the image is ok', async () => {
  const layout = await made([{ ...GOOD, claims: { mediaType: ZSTD_TYPE } }]);
  const result = await verify(layout.reference);
  expect([result.code, codesOf(result)]).toEqual([0, ['MEDIA_TYPE_MISMATCH']]);
});

it('a layer that is missing at the registry is exit 4, an image that is not there an error', async () => {
  const layout = await made([GOOD]);
  const registry = await startLoopbackRegistry({ repositories: { app: layout.directory } });
  try {
    expect((await verify(`${registry.host}/app:v1`)).code).toBe(0);
    const missing = await verify(`${registry.host}/app:none`);
    expect([missing.code, missing.json().error?.code]).toEqual([4, 'IMAGE_NOT_FOUND']);
  } finally {
    await registry.close();
  }
});
