import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { parseManifest } from '../../src/lib/oci/manifest.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { openForTest } from '../source/open-for-test.ts';
import { digestOf, writeLayout, writeRandomLayout } from '../source/random-layout.ts';

const OCI = 'application/vnd.oci.image.manifest.v1+json';
const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const HEX = 'a'.repeat(64);
const CONFIG = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: `sha256:${HEX}`, size: 2 };
const signal = new AbortController().signal;

function codeOf(document: unknown, mediaType?: string): string {
  try {
    parseManifest(Buffer.from(JSON.stringify(document)), { what: 'manifest', mediaType });
    return 'ok';
  } catch (error) {
    return errorCodeOf(error);
  }
}

describe('row 11: a document that could be two things (CVE-2021-41190) is MANIFEST_AMBIGUOUS', () => {
  const image = { schemaVersion: 2, config: CONFIG, layers: [] };
  const index = { schemaVersion: 2, manifests: [] };
  test.each<[string, unknown, string | undefined]>([
    ['manifests and layers', { ...index, layers: [] }, undefined],
    ['manifests and config', { ...index, config: CONFIG }, undefined],
    ['manifests in what is called a manifest', { ...index, mediaType: OCI }, undefined],
    ['layers in what is called an index', { ...image, mediaType: OCI_INDEX }, undefined],
    ['announced as an index, called a manifest', { ...image, mediaType: OCI }, OCI_INDEX],
    ['announced as Docker, called OCI', { ...image, mediaType: OCI }, DOCKER],
    ['announced as a list, with layers', image, DOCKER_LIST],
    ['announced as a manifest, with manifests', index, OCI],
    ['Layers, which Go reads as layers', { ...image, Layers: [] }, undefined],
    ['mediatype, which Go reads as mediaType', { ...image, mediatype: OCI_INDEX }, undefined],
  ])('%s', (_, document, mediaType) => {
    expect(codeOf(document, mediaType)).toBe('MANIFEST_AMBIGUOUS');
  });

  test('what all signs agree on passes, and types that say nothing do not matter', () => {
    expect(codeOf(image)).toBe('ok');
    expect(codeOf(index)).toBe('ok');
    expect(codeOf({ ...image, mediaType: DOCKER }, `${DOCKER}; charset=utf-8`)).toBe('ok');
    expect(codeOf({ ...image, mediaType: OCI }, 'application/json')).toBe('ok');
    expect(codeOf({ ...image, unknownField: { a: [1] } }, OCI)).toBe('ok');
  });

  test('schema 1 and artifact manifests are UNSUPPORTED_MEDIA_TYPE', () => {
    expect(codeOf({ schemaVersion: 1, name: 'x', fsLayers: [] })).toBe('UNSUPPORTED_MEDIA_TYPE');
    expect(codeOf({ schemaVersion: 1, fsLayers: [] }, 'application/vnd.docker.distribution.manifest.v1+prettyjws')).toBe(
      'UNSUPPORTED_MEDIA_TYPE',
    );
    expect(codeOf({ mediaType: 'application/vnd.oci.artifact.manifest.v1+json', blobs: [] })).toBe('UNSUPPORTED_MEDIA_TYPE');
  });
});

describe('a platform that is no name', () => {
  test.each(['../../x', 'linux/..', 'a\u001b[2J', 'x'.repeat(65), '.hidden', 7])('%j is MANIFEST_INVALID', (os) => {
    const document = { schemaVersion: 2, manifests: [{ ...CONFIG, mediaType: OCI, platform: { os, architecture: 'amd64' } }] };
    expect(codeOf(document)).toBe('MANIFEST_INVALID');
  });
});

describe('row 12: a digest that is no digest (CVE-2024-3727) is refused where it stands', () => {
  const withLayer = (digest: unknown) => ({ schemaVersion: 2, config: CONFIG, layers: [{ ...CONFIG, digest }] });
  test.each([
    'sha256:../../../etc/passwd',
    `sha256:${HEX.toUpperCase()}`,
    `SHA256:${HEX}`,
    `sha256:${HEX.slice(1)}`,
    `sha256:${HEX}a`,
    `sha256:${HEX}\n`,
    `sha256:${HEX}\0`,
    `sha1:${'a'.repeat(40)}`,
    'sha256:',
    '',
    'latest',
  ])('%j is DIGEST_INVALID', (digest) => {
    expect(codeOf(withLayer(digest))).toBe('DIGEST_INVALID');
  });

  test('sha512 is UNSUPPORTED_DIGEST; a digest that is no string MANIFEST_INVALID', () => {
    expect(codeOf(withLayer(`sha512:${'a'.repeat(128)}`))).toBe('UNSUPPORTED_DIGEST');
    expect(codeOf(withLayer(7))).toBe('MANIFEST_INVALID');
  });
});

describe('over a registry', () => {
  let directory: string;
  let registry: LoopbackRegistry;
  const opened: ImageSource[] = [];
  const rootfs = (...diff_ids: string[]) => ({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids } });
  const layer = Buffer.from('not a tar');
  const plainLayer = { bytes: layer, mediaType: 'application/vnd.oci.image.layer.v1.tar' };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'clipctl-hostile-manifest-'));
    await writeRandomLayout(join(directory, 'good'), 100);
    const manifestOf = async (name: string, changeManifest: (manifest: Record<string, unknown>) => unknown) =>
      writeLayout(join(directory, name), { config: rootfs(digestOf(layer)), layers: [plainLayer], changeManifest });
    await manifestOf('traversal', (manifest) => ({
      ...manifest,
      config: { ...CONFIG, digest: 'sha256:../../../../etc/passwd' },
    }));
    await manifestOf('artifact', (manifest) => ({
      ...manifest,
      config: { ...(manifest['config'] as object), mediaType: 'application/vnd.oci.empty.v1+json' },
    }));
    await manifestOf('extra-layer', (manifest) => ({
      ...manifest,
      layers: [...(manifest['layers'] as []), ...(manifest['layers'] as [])],
    }));
    await manifestOf('huge-config', (manifest) => ({
      ...manifest,
      config: { ...(manifest['config'] as object), size: 2 ** 40 },
    }));
    const names = ['good', 'traversal', 'artifact', 'extra-layer', 'huge-config'];
    registry = await startLoopbackRegistry({
      repositories: Object.fromEntries(names.map((name) => [`lab/${name}`, join(directory, name)])),
    });
  });
  afterEach(async () => {
    registry.script = undefined;
    await Promise.all(opened.splice(0).map((source) => source.close()));
  });
  afterAll(async () => {
    await registry.close();
    await rm(directory, { recursive: true });
  });
  const open = (name: string) => {
    const source = openForTest(`${registry.host}/lab/${name}:v1`);
    opened.push(source);
    return source;
  };

  test.each([
    ['traversal', 'DIGEST_INVALID'],
    ['artifact', 'UNSUPPORTED_MEDIA_TYPE'],
    ['extra-layer', 'MANIFEST_INVALID'],
    ['huge-config', 'LIMIT_MANIFEST_SIZE'],
  ])('%s is %s, from a layout too', async (name, code) => {
    await expect(open(name).resolve({ signal })).rejects.toMatchObject({ code });
    await expect(openForTest(`oci:${join(directory, name)}:v1`).resolve({ signal })).rejects.toMatchObject({ code });
  });

  test('a bad digest in a manifest costs no request beyond the manifest', async () => {
    const source = open('traversal');
    await expect(source.resolve({ signal })).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
    expect(source.requestCount).toBe(1);
  });

  test('a Content-Type that contradicts the manifest is MANIFEST_AMBIGUOUS', async () => {
    registry.script = ({ path }) => (path.includes('/manifests/') ? { headers: { 'content-type': OCI_INDEX } } : undefined);
    await expect(open('good').resolve({ signal })).rejects.toMatchObject({ code: 'MANIFEST_AMBIGUOUS' });
  });

  test('a Docker-Content-Digest that is a path is DIGEST_INVALID', async () => {
    registry.script = () => ({ headers: { 'docker-content-digest': 'sha256:../../x' } });
    await expect(open('good').resolve({ signal })).rejects.toMatchObject({ code: 'DIGEST_INVALID' });
  });

  test('a manifest answer without end is cut off at the cap', async () => {
    registry.script = ({ path }) =>
      path.includes('/manifests/') ? { replaceBody: Buffer.alloc(64 * 1024 * 1024, 0x20), chunked: true } : undefined;
    await expect(open('good').resolve({ signal })).rejects.toMatchObject({ code: 'LIMIT_MANIFEST_SIZE' });
  });
});
