import { createHash } from 'node:crypto';
import { constants, crc32, createGzip, deflateRawSync, gzipSync, inflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Checkpoint, DecodeResult } from '../../../src/lib/compression/decoder.ts';
import { firstByteOf } from '../../../src/lib/compression/gzip/gunzip-stream.ts';
import { createKernelInflate } from '../../../src/lib/compression/gzip/kernel-inflate.ts';
import { createGunzip } from '../../../src/lib/compression/gzip/kernel-gunzip.ts';
import { DEFAULT_LIMITS } from '../../../src/lib/compression/limits.ts';
import { unpackWindow } from '../../../src/lib/compression/window-codec.ts';
import { mixedBytes } from './content.ts';

const MIB = 1024 * 1024;

/**
 * ENGINE §3: empty blocks that end at each bit, after which stock zlib goes on in the middle of a byte. Index = how many
 * bits of the first byte are used already.
 */
const PREFIXES = [
  '',
  '04c081000000000090ff6a1440000100',
  '0200',
  '04c081000000000090ff6a04',
  '020800',
  '04c081000000000090ff6a1400',
  '02082000',
  '04c081000000000090ff6a144000',
].map((hex) => Buffer.from(hex, 'hex'));

function decode(packed: Uint8Array, intervalBytes: number, pieces: readonly number[] = [MIB]): DecodeResult {
  const decoder = createGunzip({ onOutput: () => undefined, limits: DEFAULT_LIMITS, checkpointIntervalBytes: intervalBytes });
  for (let at = 0, turn = 0; at < packed.length; turn++) {
    const length = pieces[turn % pieces.length] ?? MIB;
    void decoder.write(packed.subarray(at, at + length));
    at += length;
  }
  const result = decoder.finish() as DecodeResult;
  decoder.close();
  return result;
}

/** vitest's own comparison of large arrays takes seconds. */
function fingerprint({ checkpoints, ...rest }: DecodeResult): string {
  const list = checkpoints.map((each) => [
    each.compressedOffset,
    each.bit,
    each.uncompressedOffset,
    Buffer.from(each.window).toString('hex'),
  ]);
  return createHash('sha256')
    .update(JSON.stringify([rest, list]))
    .digest('hex');
}

interface Reading {
  readonly endOffset?: number;
  readonly pieceBytes?: number;
}

function readFrom(packed: Uint8Array, checkpoint: Checkpoint, { endOffset, pieceBytes = 50_000 }: Reading = {}): Buffer {
  const pieces: Buffer[] = [];
  const onOutput = (output: Uint8Array): void => void pieces.push(Buffer.from(output));
  const span = createKernelInflate({ checkpoint, onOutput, ...(endOffset === undefined ? {} : { endOffset }) });
  for (let at = firstByteOf(checkpoint); at < packed.length && !span.isDone; at += pieceBytes) {
    span.write(packed.subarray(at, at + pieceBytes));
  }
  span.finish();
  span.close();
  return Buffer.concat(pieces);
}

/** What node:zlib reads from a checkpoint between blocks. */
function readByZlib(packed: Uint8Array, checkpoint: Checkpoint): Buffer {
  const { window } = unpackWindow(checkpoint.window);
  const used = (8 - checkpoint.bit) % 8;
  const rest = Buffer.from(packed.subarray(firstByteOf(checkpoint)));
  const prefix = Buffer.from(PREFIXES[used]!);
  if (used > 0) prefix[prefix.length - 1]! |= rest[0]! & (0xff << used);
  const input = Buffer.concat([prefix, used > 0 ? rest.subarray(1) : rest]);
  return inflateRawSync(input, { dictionary: window, finishFlush: constants.Z_SYNC_FLUSH });
}

describe('resume', () => {
  const content = mixedBytes(6 * MIB, 7);

  test('at every checkpoint between blocks gives the rest of the layer, by the kernel and by node:zlib, at all 8 bits', () => {
    const bits = new Set<number>();
    for (const options of [{ level: 6, memLevel: 5 }, { level: 1 }, { level: 9, memLevel: 3 }]) {
      const packed = gzipSync(content, options);
      for (const checkpoint of decode(packed, 200_000).checkpoints) {
        const rest = content.subarray(checkpoint.uncompressedOffset);
        expect(readFrom(packed, checkpoint).equals(rest)).toBe(true);
        if (checkpoint.window.length === 0) continue;
        expect(readByZlib(packed, checkpoint).equals(rest)).toBe(true);
        bits.add(checkpoint.bit);
      }
    }
    expect([...bits].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  });

  test('stops at any offset asked for, whatever stands behind it', () => {
    const packed = gzipSync(content);
    const { checkpoints } = decode(packed, MIB);
    const damaged = Buffer.from(packed).fill(0xff, packed.length - 200_000);
    const spans = fc.record({
      index: fc.nat(checkpoints.length - 2),
      length: fc.oneof(fc.nat(300), fc.integer({ min: 0, max: MIB })),
      pieceBytes: fc.integer({ min: 1000, max: 400_000 }),
    });
    fc.assert(
      fc.property(spans, ({ index, length, pieceBytes }) => {
        const checkpoint = checkpoints[index]!;
        const end = checkpoint.uncompressedOffset + length;
        const expected = content.subarray(checkpoint.uncompressedOffset, end);
        expect(readFrom(packed, checkpoint, { endOffset: end, pieceBytes }).equals(expected)).toBe(true);
        if (checkpoint.compressedOffset + length * 1.1 + 100_000 > packed.length - 200_000) return;
        expect(readFrom(damaged, checkpoint, { endOffset: end, pieceBytes }).equals(expected)).toBe(true);
      }),
      { numRuns: 40 },
    );
  });

  test('of a cut span is LAYER_CORRUPT', () => {
    const packed = gzipSync(content);
    const checkpoint = decode(packed, MIB).checkpoints[1]!;
    expect(() => readFrom(packed.subarray(0, checkpoint.compressedOffset + 5000), checkpoint)).toThrow(/ends? early/);
    expect(() => readFrom(packed.subarray(0, checkpoint.compressedOffset + 5000), checkpoint, { endOffset: 4 * MIB })).toThrow(
      /ends? early/,
    );
  });

  test('inside one huge block: a checkpoint for each interval that it goes on for', () => {
    for (const strategy of [constants.Z_FIXED, constants.Z_HUFFMAN_ONLY]) {
      const packed = oneBlockLayer(strategy);
      const { checkpoints, uncompressedBytes } = decode(packed.gzip, 10_000);
      expect(uncompressedBytes).toBe(packed.content.length);
      expect(checkpoints.length).toBeGreaterThan(packed.content.length / 20_000 - 3);
      for (const [index, checkpoint] of checkpoints.entries()) {
        expect(checkpoint.uncompressedOffset).toBeGreaterThanOrEqual(index * 20_000 - 10_000);
        expect(readFrom(packed.gzip, checkpoint).equals(packed.content.subarray(checkpoint.uncompressedOffset))).toBe(true);
      }
    }
  });

  test('at the start of a member needs no window; many small members make a bounded list', () => {
    const members = Array.from({ length: 3000 }, (_, at) => content.subarray(at * 700, at * 700 + 700));
    const packed = Buffer.concat(members.map((member) => gzipSync(member, { level: 1 })));
    const all = Buffer.concat(members);
    const { checkpoints } = decode(packed, MIB);
    expect(checkpoints.length).toBeGreaterThan(20);
    expect(checkpoints.length).toBeLessThanOrEqual(all.length / (MIB / 16) + 2);
    for (const checkpoint of checkpoints) {
      expect(checkpoint).toMatchObject({ bit: 0, window: new Uint8Array(0) });
      expect(packed.subarray(checkpoint.compressedOffset, checkpoint.compressedOffset + 3)).toEqual(Buffer.from([0x1f, 0x8b, 8]));
      expect(readFrom(packed, checkpoint).equals(all.subarray(checkpoint.uncompressedOffset))).toBe(true);
    }
    expect(decode(Buffer.concat(new Array<Buffer>(5000).fill(gzipSync(''))), 1).checkpoints).toHaveLength(1);
  });

  test('goes over the ends of members', () => {
    const parts = [content.subarray(0, 500_000), Buffer.alloc(0), content.subarray(500_000, 1_300_000)];
    const packed = Buffer.concat(parts.map((part) => gzipSync(part)));
    for (const checkpoint of decode(packed, 60_000).checkpoints) {
      expect(
        readFrom(packed, checkpoint, { pieceBytes: 999 }).equals(content.subarray(checkpoint.uncompressedOffset, 1_300_000)),
      ).toBe(true);
    }
  });
});

describe('checkpoints', () => {
  test('are the same whatever pieces the layer came in', () => {
    const content = mixedBytes(1_500_000, 3);
    const packed = Buffer.concat([gzipSync(content.subarray(0, MIB)), oneBlockLayer(constants.Z_FIXED).gzip, gzipSync(content)]);
    const pieces = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 300_000 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(pieces, fc.constantFrom(0, 5000, 65_536, MIB), (pieceBytes, intervalBytes) => {
        expect(fingerprint(decode(packed, intervalBytes, [...pieceBytes, 100_000]))).toBe(
          fingerprint(decode(packed, intervalBytes)),
        );
      }),
      { numRuns: 25 },
    );
  });

  test('stand at the first boundary at or behind each multiple of the interval', async () => {
    const content = mixedBytes(3 * MIB, 5);
    const packed = await flushedEvery(content, 10_000);
    const { checkpoints } = decode(packed, 64 * 1024);
    expect(checkpoints.map(({ uncompressedOffset }) => uncompressedOffset)).toEqual(
      Array.from({ length: checkpoints.length }, (_, at) => Math.min(content.length, Math.ceil((at * 65_536) / 10_000) * 10_000)),
    );
    expect(checkpoints.length).toBeGreaterThan(45);
  });

  test('stand at the first boundary when that comes more than a megabyte behind the multiple, too', async () => {
    const content = Buffer.alloc(14_000_000, 'abcdefghijklmnopqrstuvwxyz');
    const packed = await flushedEvery(content, 3_500_000);
    const { checkpoints } = decode(packed, 3_300_000);
    expect(checkpoints.map(({ uncompressedOffset }) => uncompressedOffset)).toEqual([
      0, 3_500_000, 7_000_000, 10_500_000, 14_000_000,
    ]);
    expect(checkpoints.every(({ window }) => window.length === 0 || (window[0]! & 0x80) === 0)).toBe(true);
  });

  test('keep of their window what the 32 KiB behind them refer to, and all of it when the next one is as close as that', () => {
    const content = mixedBytes(2 * MIB, 11);
    const packed = gzipSync(content, { memLevel: 3 });
    const far = decode(packed, 100_000).checkpoints.slice(1);
    const close = decode(packed, 8192).checkpoints.slice(1, -1);
    expect(far.length).toBeGreaterThan(15);
    expect(close.length).toBeGreaterThan(150);
    const share = (list: readonly Checkpoint[]): number =>
      list.filter((each) => windowBefore(content, each).equals(unpackWindow(each.window).window)).length / list.length;
    expect(share(far)).toBe(0);
    expect(share(close)).toBe(1);
    for (const checkpoint of close) {
      expect(readFrom(packed, checkpoint).equals(content.subarray(checkpoint.uncompressedOffset))).toBe(true);
    }
  });

  test('lose every byte of their window that nothing refers to', () => {
    // What stands behind the checkpoint is a repeat of `text`, but for its first bytes, which may be literals.
    const noise = createHash('shake256', { outputLength: 20_000 }).update('noise').digest();
    const text = mixedBytes(2000, 1);
    const content = Buffer.concat([text, noise, text]);
    const start = deflateRawSync(content.subarray(0, 22_000), { finishFlush: constants.Z_FULL_FLUSH });
    const rest = deflateRawSync(text, { dictionary: content.subarray(0, 22_000) });
    const trailer = Buffer.alloc(8);
    trailer.writeUInt32LE(crc32(content), 0);
    trailer.writeUInt32LE(content.length, 4);
    const packed = Buffer.concat([Buffer.from('1f8b0800000000000003', 'hex'), start, rest, trailer]);
    const checkpoint = decode(packed, 22_000).checkpoints[1]!;
    expect(checkpoint.uncompressedOffset).toBe(22_000);
    const { window } = unpackWindow(checkpoint.window);
    expect(window.length).toBeLessThanOrEqual(22_000);
    expect(Buffer.compare(window.subarray(-20_900, -20_000), text.subarray(1100))).toBe(0);
    expect(new Set(window.subarray(-20_000))).toEqual(new Set([text.at(-1)]));
    expect(checkpoint.window.length).toBeLessThan(text.length + 300);
    expect(Buffer.compare(readFrom(packed, checkpoint), text)).toBe(0);
  });

  test('of 0 bytes apart: only the start', () => {
    expect(decode(gzipSync(mixedBytes(MIB)), 0).checkpoints).toHaveLength(1);
  });
});

function windowBefore(content: Buffer, { uncompressedOffset }: Checkpoint): Buffer {
  return content.subarray(Math.max(0, uncompressedOffset - 32_768), uncompressedOffset);
}

/** zlib ends blocks at 16 K symbols; with one fixed or Huffman-coded block of our own there is no such end. */
function oneBlockLayer(strategy: number): { gzip: Buffer; content: Buffer } {
  const content = Buffer.alloc(300_000, 'abcdefghijklmnopqrstuvwxyz0123456789-');
  const deflated = strategy === constants.Z_FIXED ? fixedLiterals(content) : deflateRawSync(content, { level: 9, memLevel: 9 });
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(content), 0);
  trailer.writeUInt32LE(content.length, 4);
  return { gzip: Buffer.concat([Buffer.from('1f8b0800000000000003', 'hex'), deflated, trailer]), content };
}

/** RFC 1951 §3.2.6: literals 0-143 are 8 bits, 00110000 and on, first bit first. */
function fixedLiterals(content: Uint8Array): Buffer {
  const bits: number[] = [1, 1, 0];
  for (const byte of content) for (let bit = 7; bit >= 0; bit--) bits.push(((byte + 0x30) >> bit) & 1);
  bits.push(0, 0, 0, 0, 0, 0, 0);
  const bytes = Buffer.alloc(Math.ceil(bits.length / 8));
  for (const [at, bit] of bits.entries()) bytes[at >> 3]! |= bit << (at & 7);
  return bytes;
}

async function flushedEvery(content: Buffer, stepBytes: number): Promise<Buffer> {
  const gzip = createGzip({ level: 1 });
  const packed: Buffer[] = [];
  gzip.on('data', (piece: Buffer) => packed.push(piece));
  for (let at = 0; at < content.length; at += stepBytes) {
    gzip.write(content.subarray(at, at + stepBytes));
    await new Promise<void>((resolve) => gzip.flush(constants.Z_PARTIAL_FLUSH, resolve));
  }
  gzip.end();
  await new Promise((resolve) => gzip.once('end', resolve));
  return Buffer.concat(packed);
}
