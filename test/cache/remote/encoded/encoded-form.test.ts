import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../../../src/lib/cache/chunk-source.ts';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { withEncodedForm } from '../../../../src/lib/cache/remote/encoded/encoded-form.ts';
import { openFileRemote } from '../../../../src/lib/cache/remote/file.ts';
import { openFrameEncoder, type FrameEncoder } from '../../../../src/lib/compression/zstd/frame-encoder.ts';
import { FRAME_BYTES } from '../../../../src/lib/compression/zstd/seek-table.ts';
import { parseContentHash, type ContentHash } from '../../../../src/lib/oci/digest.ts';
import { MemoryBudget } from '../../../../src/lib/pipeline/memory-budget.ts';
import { codeOf, signal } from '../../cache-directory.ts';
import { handlesLeftIn } from '../../open-handles.ts';
import { sourceOf } from '../../seeded-content.ts';

let directory: string;
let budget: MemoryBudget;
let remote: ContentCache;
let encoder: FrameEncoder;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-packed-'));
  budget = new MemoryBudget();
  remote = withEncodedForm(openFileRemote(directory), budget);
  const found = await openFrameEncoder(1, ['wasm-zstd']);
  if (found === undefined) throw new Error('no zstd encoder in WASM');
  encoder = found;
});
afterEach(async () => {
  try {
    expect(await handlesLeftIn(directory)).toEqual([]);
    expect(budget.usedBytes).toBe(0);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

/** Neither random nor empty: text with a counter. */
function bytesOf(sizeBytes: number): Buffer {
  const content = Buffer.alloc(sizeBytes, 'a layer of an image, packed. ');
  for (let at = 0; at + 8 <= sizeBytes; at += 1000) content.writeUInt32LE(at, at);
  return content;
}

const hashOf = (content: Buffer): ContentHash => parseContentHash(createHash('sha256').update(content).digest('hex'), 'test');
const pathOf = (content: Buffer): string => join(directory, `${hashOf(content)}.zst`);

async function store(content: Buffer, hash = hashOf(content)): Promise<void> {
  const source = sourceOf(content.length, (offset, length) => content.subarray(offset, offset + length));
  await remote.storeContent(source, hash, { sizeBytes: content.length, signal, encoder });
}

async function collect(stream: AsyncIterable<Uint8Array> | undefined): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream ?? []) pieces.push(piece);
  return Buffer.concat(pieces);
}

const whole = async (hash: ContentHash): Promise<Buffer> => collect(await remote.getContent(hash, { signal }));

async function spoil(content: Buffer, change: (stored: Buffer) => Buffer): Promise<ContentHash> {
  await store(content);
  const stored = await readFile(pathOf(content));
  await chmod(pathOf(content), 0o644);
  await writeFile(pathOf(content), change(stored));
  return hashOf(content);
}

const readCode = (hash: ContentHash): Promise<string | undefined> => codeOf(whole(hash));

describe('the packed form', () => {
  it.each([0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES, CHUNK_BYTES + 17])(
    'of %i bytes comes back, and zstd -dc gives the same',
    async (sizeBytes) => {
      const content = bytesOf(sizeBytes);
      await store(content);
      expect(await readdir(directory)).toEqual([`${hashOf(content)}.zst`]);
      expect(await remote.contentExists(hashOf(content), { signal })).toEqual({ sizeBytes });
      expect((await whole(hashOf(content))).equals(content)).toBe(true);
      const real = spawnSync('zstd', ['-dc', pathOf(content)], { maxBuffer: 1 << 27 });
      expect(real.error === undefined ? real.stderr.toString() : '').toBe('');
      if (real.error === undefined) expect(real.stdout.equals(content)).toBe(true);
    },
  );

  it('serves every range as the slice of the content', async () => {
    const content = bytesOf(2 * FRAME_BYTES + 5000);
    await store(content);
    const at = fc.oneof(
      fc.constantFrom(0, FRAME_BYTES - 1, FRAME_BYTES, 2 * FRAME_BYTES, content.length - 1, content.length, content.length + 9),
      fc.nat(content.length),
    );
    const length = fc.oneof(fc.constantFrom(0, 1, FRAME_BYTES, FRAME_BYTES + 1), fc.nat(content.length));
    await fc.assert(
      fc.asyncProperty(at, length, async (offset, wanted) => {
        const got = await collect(await remote.getContent(hashOf(content), { offset, length: wanted, signal }));
        expect(got.equals(content.subarray(offset, offset + wanted))).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  it('is not stored beside a plain one, nor a plain one beside it', async () => {
    const content = bytesOf(1000);
    const options = { sizeBytes: content.length, signal };
    const source = () => sourceOf(content.length, (offset, length) => content.subarray(offset, offset + length));
    await store(content);
    expect(await remote.storeContent(source(), hashOf(content), options)).toMatchObject({ skipped: true, sentBytes: 0 });
    expect(await remote.deleteContent?.(hashOf(content), { signal })).toBe(true);
    expect(await remote.contentExists(hashOf(content), { signal })).toBeUndefined();
    await remote.storeContent(source(), hashOf(content), options);
    expect(await remote.storeContent(source(), hashOf(content), { ...options, encoder })).toMatchObject({ skipped: true });
  });

  it('of other content than the hash says is never visible', async () => {
    const content = bytesOf(FRAME_BYTES + 1);
    expect(await codeOf(store(content, hashOf(bytesOf(5))))).toBe('DIGEST_MISMATCH');
    expect(await readdir(directory)).toEqual([]);
  });

  it('takes its memory in one lease, and tells the bytes that went out', async () => {
    const content = bytesOf(FRAME_BYTES * 3);
    const source = sourceOf(content.length, (offset, length) => content.subarray(offset, offset + length));
    const options = { sizeBytes: content.length, signal, encoder };
    const { sentBytes } = await remote.storeContent(source, hashOf(content), options);
    expect(sentBytes).toBe((await readFile(pathOf(content))).length);
    expect(sentBytes).toBeLessThan(content.length / 10);
    expect(budget.peakBytes).toBeLessThan(9 * 1024 * 1024);
  });
});

describe('a packed form that is wrong is refused with CACHE_CORRUPT', () => {
  const content = bytesOf(FRAME_BYTES + 1000);

  it.each([
    ['cut', (stored: Buffer) => stored.subarray(0, stored.length - 1)],
    ['empty', () => Buffer.alloc(0)],
    ['without its table', (stored: Buffer) => stored.subarray(0, stored.length - 8 - 16 - 9)],
    ['with bytes before it', (stored: Buffer) => Buffer.concat([Buffer.from('x'), stored])],
  ])('%s', async (_, change) => {
    const hash = await spoil(content, change);
    expect(await readCode(hash)).toBe('CACHE_CORRUPT');
    await store(content);
    expect((await whole(hash)).equals(content)).toBe(true);
  });

  it.each([1, 0xffff, 0xffff_ffff])('with a table that claims %i frames', async (frames) => {
    const hash = await spoil(content, (stored) => (stored.writeUInt32LE(frames, stored.length - 9), stored));
    expect(await readCode(hash)).toBe('CACHE_CORRUPT');
  });

  it('when a frame claims 2 GiB, in its header or in the table', async () => {
    const inTable = await spoil(content, (stored) => (stored.writeUInt32LE(2 ** 31, stored.length - 9 - 4), stored));
    expect(await readCode(inTable)).toBe('CACHE_CORRUPT');
    await rm(directory, { recursive: true });
    const inHeader = await spoil(content, (stored) => {
      // Magic, a descriptor of a single segment with 4 bytes of content size, the size.
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0, 0, 0, 0x80]).copy(stored);
      return stored;
    });
    expect(await readCode(inHeader)).toBe('CACHE_CORRUPT');
  });

  it('wherever a bit of it is flipped', async () => {
    await store(content);
    const stored = await readFile(pathOf(content));
    await chmod(pathOf(content), 0o644);
    await fc.assert(
      fc.asyncProperty(fc.nat(stored.length - 1), fc.nat(7), async (at, bit) => {
        const flipped = Buffer.from(stored);
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << bit), at);
        await writeFile(pathOf(content), flipped);
        const outcome = await whole(hashOf(content)).then(
          (bytes) => bytes.equals(content),
          async (error: unknown) => (await codeOf(Promise.reject(error as Error))) === 'CACHE_CORRUPT',
        );
        expect(outcome).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
