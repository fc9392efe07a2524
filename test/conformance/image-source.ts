/** What every ImageSource must do, whatever it reads from. The images are the fixtures, under their own names. */
import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Descriptor } from '../../src/lib/oci/descriptor.ts';
import { parseDigest } from '../../src/lib/oci/digest.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';

export type FixtureName = 'multiplatform' | 'odd-plain' | 'odd-docker' | 'odd-zstd' | 'duplayer';

export interface ImageSourceUnderTest {
  /** Opens a fixture by its tag `v1`, or the document `digest` of it. */
  open(fixture: FixtureName, digest?: string): ImageSource;
  /** Opens something that is not there: the fixture with another tag. */
  openMissing(fixture: FixtureName): ImageSource;
  close(): Promise<void>;
}

const LINUX_AMD64 = { os: 'linux', architecture: 'amd64' };
const signal = new AbortController().signal;

export function describeImageSource(name: string, setUp: () => Promise<ImageSourceUnderTest>): void {
  describe(`ImageSource over ${name}`, () => {
    let world: ImageSourceUnderTest;
    const opened: ImageSource[] = [];
    beforeAll(async () => {
      world = await setUp();
    });
    afterAll(async () => {
      await Promise.all(opened.map((source) => source.close()));
      await world.close();
    });
    const open = (fixture: FixtureName, digest?: string): ImageSource => {
      const source = world.open(fixture, digest);
      opened.push(source);
      return source;
    };

    describeResolving(open, (fixture) => {
      const source = world.openMissing(fixture);
      opened.push(source);
      return source;
    });
    describeBlobs(open);
  });
}

type Open = (fixture: FixtureName, digest?: string) => ImageSource;

function describeResolving(open: Open, openMissing: Open): void {
  test('an image index gives the platform that was asked for, and lists all of them', async () => {
    const source = open('multiplatform');
    const image = await source.resolve({ signal, platform: { os: 'linux', architecture: 'arm64' } });
    expect(image.platform).toEqual({ os: 'linux', architecture: 'arm64' });
    expect(image.manifestDigest).toBe('sha256:52f29ad62332e1de0c4cd69128f2097c1a1eabd31e2bd27726ae8dd27c8d4768');
    expect(image.layers).toHaveLength(2);
    expect(image.platforms?.map(({ platform }) => platform.architecture)).toEqual(['amd64', 'arm64', 'arm']);
    expect(await source.listPlatforms({ signal })).toEqual(image.platforms);
  });

  test('a digest chooses exactly that manifest of an image index, whatever this machine is', async () => {
    const source = open('multiplatform');
    for (const { digest, platform } of await source.listPlatforms({ signal })) {
      expect(await source.resolve({ signal, digest })).toMatchObject({ manifestDigest: digest, platform });
    }
    const digest = parseDigest(`sha256:${'ab'.repeat(32)}`, 'test');
    await expect(source.resolve({ signal, digest })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    await expect(open('odd-plain').resolve({ signal, digest })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  });

  test('each layer comes with the diffID of the config, bottom first', async () => {
    const image = await open('odd-plain').resolve({ signal });
    expect(image.layers.map(({ diffId }) => diffId)).toEqual(image.config.diffIds);
    expect(image.layers.map(({ sizeBytes }) => sizeBytes)).toEqual([5021, 18432, 2560]);
    expect(image.layers[1]?.digest).toBe(image.layers[1]?.diffId);
    expect(image.platforms).toBeUndefined();
  });

  test('the config is read with its odd parts', async () => {
    const { config } = await open('odd-plain').resolve({ signal });
    expect(config).toMatchObject({ user: '1000:100', workingDir: '/app', entrypoint: ['/entry'], volumes: ['/data'] });
    expect(config.labels.get('\u00fcnicode')).toBe('\u2713');
    expect(config.createdBy).toEqual(['lab layer 0', 'lab layer 1', 'lab layer 2']);
  });

  test('a Docker schema 2 manifest is read as well', async () => {
    const image = await open('odd-docker').resolve({ signal, platform: LINUX_AMD64 });
    expect(image.manifestMediaType).toBe('application/vnd.docker.distribution.manifest.v2+json');
    expect(image.layers).toHaveLength(3);
  });

  test('a single manifest lists its own platform', async () => {
    const platforms = await open('odd-zstd').listPlatforms({ signal });
    expect(platforms.map(({ platform }) => platform)).toEqual([LINUX_AMD64]);
  });

  test('a digest names the same image as its tag', async () => {
    const byTag = await open('odd-plain').resolve({ signal });
    const byDigest = await open('odd-plain', byTag.manifestDigest).resolve({ signal });
    expect(byDigest.manifestDigest).toBe(byTag.manifestDigest);
    expect(byDigest.layers).toEqual(byTag.layers);
  });

  test('a digest may name one platform inside the image index', async () => {
    const digest = 'sha256:991935973fc00fb318de87cdd4503a67822fb5310bcf759c59b889f896602c1e';
    const image = await open('multiplatform', digest).resolve({ signal });
    expect(image.platform).toEqual({ os: 'linux', architecture: 'arm', variant: 'v7' });
    expect(image.warnings).toHaveLength(process.arch === 'arm' ? 0 : 1);
  });

  test('a platform that is not there is told together with those that are', async () => {
    const wanted = open('multiplatform').resolve({ signal, platform: { os: 'linux', architecture: 's390x' } });
    await expect(wanted).rejects.toMatchObject({
      code: 'PLATFORM_NOT_FOUND',
      message: expect.stringContaining('linux/amd64, linux/arm64, linux/arm/v7') as string,
    });
    const single = open('odd-plain').resolve({ signal, platform: { os: 'linux', architecture: 's390x' } });
    await expect(single).rejects.toMatchObject({ code: 'PLATFORM_NOT_FOUND' });
  });

  test('an image that is not there is IMAGE_NOT_FOUND', async () => {
    await expect(openMissing('odd-plain').resolve({ signal })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
    const digest = `sha256:${'ab'.repeat(32)}`;
    await expect(open('odd-plain', digest).resolve({ signal })).rejects.toMatchObject({ code: 'IMAGE_NOT_FOUND' });
  });

  test('an aborted signal stops it before anything is read', async () => {
    const reason = new Error('stop');
    await expect(open('odd-plain').resolve({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
}

function describeBlobs(open: Open): void {
  test('the bytes of every layer have the digest of its descriptor', async () => {
    for (const fixture of ['odd-plain', 'odd-zstd', 'duplayer'] as const) {
      const source = open(fixture);
      for (const layer of (await source.resolve({ signal })).layers) {
        const bytes = await readAll(source, layer);
        expect(bytes.byteLength).toBe(layer.sizeBytes);
        expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(layer.digest);
      }
    }
  });

  test('a range is exactly these bytes: first, middle, last, cut at the end, past the end', async () => {
    const source = open('odd-plain');
    const layer = (await source.resolve({ signal })).layers[1];
    if (layer === undefined) throw new Error('no layer');
    const whole = await readAll(source, layer);
    const size = layer.sizeBytes;
    for (const [start, end] of [
      [0, 1],
      [0, size],
      [1000, 9000],
      [size - 1, size],
      [size - 10, size + 10],
      [size, size + 5],
      [7, 7],
    ] as const) {
      const part = await readAll(source, layer, { start, end });
      expect(part.equals(whole.subarray(start, end)), `${start}-${end}`).toBe(true);
    }
  });

  test('a blob that is not there is BLOB_NOT_FOUND', async () => {
    const descriptor: Descriptor = {
      mediaType: 'application/octet-stream',
      digest: parseDigest(`sha256:${'cd'.repeat(32)}`, 'test'),
      sizeBytes: 10,
      annotations: new Map(),
      urls: [],
    };
    await expect(open('odd-plain').openBlob(descriptor, { signal })).rejects.toMatchObject({ code: 'BLOB_NOT_FOUND' });
  });

  test('a layer of an unknown type or from elsewhere is refused before it is read', async () => {
    const source = open('odd-plain');
    const layer = (await source.resolve({ signal })).layers[0];
    if (layer === undefined) throw new Error('no layer');
    const unknown = { ...layer, mediaType: 'application/vnd.oci.image.layer.v1.tar+foo' };
    await expect(source.openBlob(unknown, { signal })).rejects.toMatchObject({ code: 'UNSUPPORTED_MEDIA_TYPE' });
    const foreign = { ...layer, urls: ['http://169.254.169.254/layer'] };
    await expect(source.openBlob(foreign, { signal })).rejects.toMatchObject({ code: 'FOREIGN_LAYER' });
  });

  test('a blob whose size is not that of its descriptor is SIZE_MISMATCH', async () => {
    const source = open('odd-plain');
    const layer = (await source.resolve({ signal })).layers[1];
    if (layer === undefined) throw new Error('no layer');
    for (const sizeBytes of [layer.sizeBytes - 1, layer.sizeBytes + 1]) {
      await expect(readAll(source, { ...layer, sizeBytes })).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    }
  });

  test('an abort in the middle ends the stream with its reason or an AbortError', async () => {
    const source = open('odd-plain');
    const layer = (await source.resolve({ signal })).layers[1];
    if (layer === undefined) throw new Error('no layer');
    const abort = new AbortController();
    const stream = await source.openBlob(layer, { signal: abort.signal });
    abort.abort();
    await expect(stream.toArray()).rejects.toMatchObject({ name: 'AbortError' });
    await expect(source.openBlob(layer, { signal: abort.signal })).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('a reader may leave early', async () => {
    const source = open('odd-plain');
    const layer = (await source.resolve({ signal })).layers[1];
    if (layer === undefined) throw new Error('no layer');
    const stream = await source.openBlob(layer, { signal });
    const closed = new Promise((resolve) => stream.once('close', resolve));
    stream.destroy();
    await closed;
    expect((await readAll(source, layer)).byteLength).toBe(layer.sizeBytes);
  });
}

/** All bytes of a blob, or of a range of it. */
export async function readAll(
  source: ImageSource,
  descriptor: Descriptor,
  range?: { start: number; end: number },
): Promise<Buffer> {
  const stream = await source.openBlob(descriptor, { signal, isParallel: true, ...(range && { range }) });
  return Buffer.concat((await stream.toArray()) as Buffer[]);
}
