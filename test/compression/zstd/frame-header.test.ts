import { describe, expect, test } from 'vitest';
import { frameHeaderBytes, parseFrameHeader } from '../../../src/lib/compression/zstd/frame-header.ts';
import { ClipctlError } from '../../../src/lib/errors.ts';
import { buildFrameHeader, buildSkippable } from './build-frame.ts';

const MAGIC = [0x28, 0xb5, 0x2f, 0xfd];

/** As the decoder does: ask, gather, ask again. */
function gather(header: Buffer): number {
  let neededBytes = 0;
  while (frameHeaderBytes(header.subarray(0, neededBytes)) > neededBytes) {
    neededBytes = frameHeaderBytes(header.subarray(0, neededBytes));
  }
  return neededBytes;
}

describe('the header of a zstd frame', () => {
  // Descriptor: content size flag (2 bits), single segment, unused, reserved, checksum, dictionary id flag (2 bits).
  test.each([
    ['window only', [0x00, 0x00], { windowBytes: 1024, dictionaryId: 0, contentBytes: undefined }],
    [
      'window with mantissa',
      [0x04, 0x5d],
      { windowBytes: 2 ** 21 + (2 ** 21 / 8) * 5, dictionaryId: 0, contentBytes: undefined },
    ],
    ['largest window', [0x00, 0xff], { windowBytes: 2 ** 41 + 7 * 2 ** 38, dictionaryId: 0, contentBytes: undefined }],
    ['windowLog 31', [0x00, 0xa8], { windowBytes: 2 ** 31, dictionaryId: 0, contentBytes: undefined }],
    ['one byte of size', [0x20, 0xc8], { windowBytes: 200, dictionaryId: 0, contentBytes: 200 }],
    ['two bytes of size', [0x60, 0x01, 0x02], { windowBytes: 0x201 + 256, dictionaryId: 0, contentBytes: 0x201 + 256 }],
    ['four bytes of size', [0xa0, 1, 0, 0, 0x80], { windowBytes: 0x80000001, dictionaryId: 0, contentBytes: 0x80000001 }],
    ['eight bytes of size', [0xe0, 0, 0, 0, 0, 0, 1, 0, 0], { windowBytes: 2 ** 40, dictionaryId: 0, contentBytes: 2 ** 40 }],
    ['dictionary of one byte', [0x01, 0x00, 9], { windowBytes: 1024, dictionaryId: 9, contentBytes: undefined }],
    ['dictionary of two bytes', [0x22, 1, 2, 7], { windowBytes: 7, dictionaryId: 0x201, contentBytes: 7 }],
    ['dictionary of four bytes', [0x23, 1, 0, 0, 0xff, 7], { windowBytes: 7, dictionaryId: 0xff000001, contentBytes: 7 }],
    ['dictionary id 0', [0x23, 0, 0, 0, 0, 7], { windowBytes: 7, dictionaryId: 0, contentBytes: 7 }],
    [
      'window, dictionary and size',
      [0xc3, 0x08, 4, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8],
      { windowBytes: 2048, dictionaryId: 4, contentBytes: Number(0x0807060504030201n) },
    ],
  ])('%s', (_name, bytes, expected) => {
    const header = Buffer.from([...MAGIC, ...bytes]);
    expect(gather(Buffer.concat([header, Buffer.from('data')]))).toBe(header.length);
    expect(parseFrameHeader(header)).toEqual({ kind: 'frame', ...expected });
  });

  test('of a skippable frame tells how much to skip, for each of the 16 magic numbers', () => {
    for (let variant = 0; variant < 16; variant++) {
      const frame = buildSkippable(Buffer.alloc(77), variant);
      expect(gather(frame)).toBe(8);
      expect(parseFrameHeader(frame)).toEqual({ kind: 'skippable', contentBytes: 77 });
    }
  });

  test('is at most 18 bytes long', () => {
    expect(gather(buildFrameHeader({ claimedBytes: 2 ** 40, dictionaryId: 1 }))).toBe(17);
    expect(gather(Buffer.from([...MAGIC, 0xc3, ...new Array<number>(20).fill(0)]))).toBe(18);
  });

  test('with any other magic number is refused', () => {
    for (const magic of [
      [0, 0, 0, 0],
      [0x28, 0xb5, 0x2f, 0xfc],
      [0x60, 0x2a, 0x4d, 0x18],
      [0x1f, 0x8b, 8, 0],
    ]) {
      expect(() => frameHeaderBytes(Buffer.from(magic))).toThrow(ClipctlError);
    }
  });
});
