import { describe, expect, test } from 'vitest';
import type { Descriptor } from '../../src/lib/oci/descriptor.ts';
import { parseDigest } from '../../src/lib/oci/digest.ts';
import { assertUsableLayer, isForeignLayer, layerTypeOf } from '../../src/lib/oci/media-types.ts';

const descriptor = (mediaType: string, urls: string[] = []): Descriptor => ({
  mediaType,
  digest: parseDigest(`sha256:${'a'.repeat(64)}`, 'test'),
  sizeBytes: 1,
  annotations: new Map(),
  urls,
});

describe('layer media types', () => {
  test.each([
    ['application/vnd.oci.image.layer.v1.tar', 'none', false],
    ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip', false],
    ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd', false],
    ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip', true],
    ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip', false],
    ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd', false],
    ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip', true],
  ])('%s is %s', (mediaType, compression, foreign) => {
    expect(layerTypeOf(mediaType)).toEqual({ compression, foreign });
  });

  test.each([
    'application/vnd.oci.image.layer.v1.tar+foo',
    'application/vnd.oci.image.layer.v1.tar+gzip+encrypted',
    '',
    'text/plain\u001b',
  ])('%j is UNSUPPORTED_MEDIA_TYPE', (mediaType) => {
    expect(() => assertUsableLayer(descriptor(mediaType), { allowForeign: true })).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED_MEDIA_TYPE', message: expect.not.stringContaining('\u001b') as string }),
    );
  });

  test('a layer with urls is foreign whatever its type, and needs allowForeign', () => {
    const layer = descriptor('application/vnd.oci.image.layer.v1.tar', ['https://x/y']);
    expect(isForeignLayer(layer)).toBe(true);
    expect(() => assertUsableLayer(layer, { allowForeign: false })).toThrow(expect.objectContaining({ code: 'FOREIGN_LAYER' }));
    expect(() => assertUsableLayer(layer, { allowForeign: true })).not.toThrow();
  });
});
