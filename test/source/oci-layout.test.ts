import { spawnSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readAll } from '../conformance/image-source.ts';
import { layoutOf, openForTest } from './open-for-test.ts';
import { digestOf } from './random-layout.ts';

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const REF_NAME = 'org.opencontainers.image.ref.name';
const signal = new AbortController().signal;

interface Listed {
  mediaType: string;
  digest: string;
  size: number;
  platform?: { os: string; architecture: string };
  annotations?: Record<string, string>;
  artifactType?: string;
}

let directory: string;
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'clipctl-layout-')), 'layout');
  await cp(layoutOf('odd-plain'), directory, { recursive: true });
});
afterEach(() => rm(join(directory, '..'), { recursive: true }));

const blob = (digest: string) => join(directory, 'blobs', 'sha256', digest.slice('sha256:'.length));
const resolve = (suffix = '') => openForTest(`oci:${directory}${suffix}`).resolve({ signal });

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the test expected a value');
  return value;
}

async function listed(): Promise<Listed> {
  const index = JSON.parse(await readFile(join(directory, 'index.json'), 'utf8')) as { manifests: [Listed] };
  return index.manifests[0];
}

async function writeIndex(...manifests: Listed[]): Promise<void> {
  await writeFile(join(directory, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function putDocument(document: unknown, mediaType: string): Promise<Listed> {
  const bytes = Buffer.from(JSON.stringify(document));
  await writeFile(blob(digestOf(bytes)), bytes);
  return { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
}

describe('a name in an image layout', () => {
  test('without a tag means the only image there is', async () => {
    expect((await resolve()).manifestDigest).toBe((await resolve(':v1')).manifestDigest);
    expect((await resolve()).origin).toBeUndefined();
  });

  test('without a tag is REFERENCE_INVALID when there are several, and lists their tags', async () => {
    const image = await listed();
    const other = await putDocument(
      { ...(JSON.parse(await readFile(blob(image.digest), 'utf8')) as object), annotations: { a: 'b' } },
      OCI,
    );
    await writeIndex({ ...image, annotations: { [REF_NAME]: 'one' } }, { ...other, annotations: { [REF_NAME]: 'r.io/app:two' } });
    await expect(resolve()).rejects.toMatchObject({
      code: 'REFERENCE_INVALID',
      message: expect.stringContaining('"one", "r.io/app:two"') as string,
    });
    expect((await resolve(':r.io/app:two')).manifestDigest).toBe(other.digest);
    expect((await resolve(`@${image.digest}`)).manifestDigest).toBe(image.digest);
    await expect(resolve(':three')).rejects.toMatchObject({
      code: 'IMAGE_NOT_FOUND',
      message: expect.stringContaining('"one"') as string,
    });
  });

  test('finds a platform in a nested index; attestations and artifacts are left out', async () => {
    const { digest, size } = await listed();
    const image = { mediaType: OCI, digest, size };
    const inner = await putDocument(
      { schemaVersion: 2, manifests: [{ ...image, platform: { os: 'linux', architecture: 'riscv64' } }] },
      OCI_INDEX,
    );
    const outer = await putDocument(
      {
        schemaVersion: 2,
        mediaType: OCI_INDEX,
        manifests: [
          { ...image, platform: { os: 'unknown', architecture: 'unknown' } },
          { ...image, artifactType: 'application/spdx+json' },
          { ...image, mediaType: 'application/vnd.example.other+json' },
          inner,
        ],
      },
      OCI_INDEX,
    );
    await writeIndex(outer);
    const platforms = await openForTest(`oci:${directory}`).listPlatforms({ signal });
    expect(platforms.map(({ platform }) => platform.architecture)).toEqual(['riscv64']);
    const source = openForTest(`oci:${directory}`);
    expect((await source.resolve({ signal, platform: { os: 'linux', architecture: 'riscv64' } })).manifestDigest).toBe(digest);
  });

  test('reads the config of a manifest that an index gives no platform', async () => {
    const { digest, size } = await listed();
    await writeIndex(await putDocument({ schemaVersion: 2, manifests: [{ mediaType: OCI, digest, size }] }, OCI_INDEX));
    const image = await openForTest(`oci:${directory}`).resolve({ signal, platform: { os: 'linux', architecture: 'amd64' } });
    expect(image.platforms?.map(({ platform }) => platform)).toEqual([{ os: 'linux', architecture: 'amd64' }]);
  });

  test('two manifests of the same platform are both listed, and a digest tells them apart', async () => {
    const image = await listed();
    const manifest = JSON.parse(await readFile(blob(image.digest), 'utf8')) as object;
    const twin = await putDocument({ ...manifest, annotations: { twin: 'yes' } }, OCI);
    const platform = { os: 'linux', architecture: 'amd64' };
    const both = [image, twin].map(({ digest, size }) => ({ mediaType: OCI, digest, size, platform }));
    await writeIndex(await putDocument({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: both }, OCI_INDEX));
    const source = openForTest(`oci:${directory}`);
    const platforms = await source.listPlatforms({ signal });
    expect(platforms.map(({ digest }) => digest)).toEqual([image.digest, twin.digest]);
    for (const { digest } of platforms) {
      expect((await source.resolve({ signal, platform, digest })).manifestDigest).toBe(digest);
    }
    const [first] = platforms;
    const other = source.resolve({ signal, platform: { os: 'linux', architecture: 's390x' }, digest: required(first).digest });
    await expect(other).rejects.toMatchObject({ code: 'PLATFORM_NOT_FOUND' });
  });

  test('documents that are large together are LIMIT_MANIFEST_SIZE before more of them are read', async () => {
    const { digest } = await listed();
    const manifest = JSON.parse(await readFile(blob(digest), 'utf8')) as object;
    const many: Listed[] = [];
    for (let at = 0; at < 9; at++)
      many.push(await putDocument({ ...manifest, annotations: { at: `${at}`.repeat(4_000_000) } }, OCI));
    await rm(blob(required(many[8]).digest));
    await writeIndex(await putDocument({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: many }, OCI_INDEX));
    await expect(resolve()).rejects.toMatchObject({ code: 'LIMIT_MANIFEST_SIZE' });
  });

  test('an index in an index in an index … is MANIFEST_INVALID', async () => {
    let document = await listed();
    for (let depth = 0; depth < 8; depth++) {
      document = await putDocument({ schemaVersion: 2, manifests: [document] }, OCI_INDEX);
    }
    await writeIndex(document);
    await expect(resolve()).rejects.toMatchObject({ code: 'MANIFEST_INVALID' });
  });
});

describe('a layout that is not right', () => {
  test('no directory is IMAGE_NOT_FOUND; a directory of something else LAYOUT_INVALID', async () => {
    await expect(resolve('-nowhere')).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    const empty = join(directory, '..', 'empty');
    await mkdir(empty);
    await expect(openForTest(`oci:${empty}`).resolve({ signal })).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
    await rm(join(directory, 'oci-layout'));
    await expect(resolve()).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
    await writeFile(join(directory, 'oci-layout'), '{"imageLayoutVersion":"9"}');
    await expect(resolve()).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
  });

  test('a manifest that is missing, cut or changed is told by its kind', async () => {
    const { digest, size } = await listed();
    await truncate(blob(digest), size - 1);
    await expect(resolve()).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    await writeFile(blob(digest), ' '.repeat(size));
    await expect(resolve()).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    await rm(blob(digest));
    await expect(resolve()).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
  });

  test('a blob that is a fifo or a directory is LAYOUT_INVALID and never waited for', async () => {
    const [layer] = (await resolve()).layers;
    if (layer === undefined) throw new Error('no layer');
    await rm(blob(layer.digest));
    await mkdir(blob(layer.digest));
    await expect(readAll(openForTest(`oci:${directory}`), layer)).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
    await rm(blob(layer.digest), { recursive: true });
    expect(spawnSync('mkfifo', [blob(layer.digest)]).status).toBe(0);
    await expect(readAll(openForTest(`oci:${directory}`), layer)).rejects.toMatchObject({ code: 'LAYOUT_INVALID' });
  });
});

describe('names that are no layout or registry', () => {
  test.each([
    ['oci-archive:', 'REFERENCE_INVALID'],
    ['docker-archive:', 'REFERENCE_INVALID'],
    ['docker-archive:x.tar:', 'REFERENCE_INVALID'],
    ['docker-archive::x', 'REFERENCE_INVALID'],
    ['https://r.io/x', 'USAGE'],
    ['oci:', 'REFERENCE_INVALID'],
    ['oci::tag', 'REFERENCE_INVALID'],
    ['oci:dir:', 'REFERENCE_INVALID'],
    ['oci:dir@sha256:../x', 'DIGEST_INVALID'],
    [`oci:dir@sha512:${'a'.repeat(128)}`, 'UNSUPPORTED_DIGEST'],
    ['docker://', 'REFERENCE_INVALID'],
    ['r.io/a@sha256:../../x', 'DIGEST_INVALID'],
  ])('%s is %s before anything is read', (name, code) => {
    expect(() => openForTest(name)).toThrow(expect.objectContaining({ code }));
  });
});
