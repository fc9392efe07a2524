import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { byteStringFromBytes, type ByteString } from '../../src/lib/byte-string.ts';
import { decodeClip, openClipBytes } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { decodeExtension } from '../../src/lib/clip/extension/decode-extension.ts';
import { encodeExtension } from '../../src/lib/clip/extension/encode-extension.ts';
import { encodeFooter, EXTENSION_VERSION } from '../../src/lib/clip/extension/footer.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { clipExtension } from './clip-arbitrary.ts';
import { smallClip } from './small-clip.ts';

describe('the extension section', () => {
  it('says what was written into it', () => {
    fc.assert(
      fc.property(clipExtension, (extension) => {
        expect(decodeExtension(encodeExtension(extension).toBytes(), 0)).toEqual(extension);
      }),
      { numRuns: 500 },
    );
  });

  it('has the bytes that docs/clip-extension.md shows', () => {
    const body = Buffer.from(encodeExtension({ layers: [], entries: [EXAMPLE_ENTRY] }).toBytes());
    expect(body.toString('hex')).toBe(
      [
        '89434c58420d0a1a',
        '00',
        '01',
        '042f6e756c',
        '03',
        '00',
        'b603',
        '00',
        '00',
        '09',
        '00',
        '02',
        '06',
        '01',
        '0161',
        '01ff',
      ].join(''),
    );
  });

  it('is the same for entries and xattrs in another order', () => {
    fc.assert(
      fc.property(clipExtension, ({ layers, entries }) => {
        const reversed = entries.map((entry) => ({ ...entry, xattrs: new Map([...entry.xattrs].reverse()) })).reverse();
        expect(encodeExtension({ layers, entries: reversed }).toBytes()).toEqual(encodeExtension({ layers, entries }).toBytes());
      }),
    );
  });

  it('is read only when it is asked for', () => {
    const opened = openClipBytes(encodeClip(smallClip()));
    expect(opened.extensionVersion).toBe(EXTENSION_VERSION);
    expect(opened.readExtension()).toEqual(smallClip().extension);
  });

  it('is passed over when a newer clipctl wrote it, and the index still reads', () => {
    const { nodes, storageInfo } = smallClip();
    const bare = encodeClip({ nodes, storageInfo });
    const body = Buffer.from('a body of another version');
    const version = EXTENSION_VERSION + 1;
    const bytes = Buffer.concat([
      bare,
      body,
      encodeFooter([bare, body], { version, bodyOffset: bare.byteLength, bodyBytes: body.byteLength }),
    ]);
    const opened = openClipBytes(bytes);
    expect(opened.extensionVersion).toBe(EXTENSION_VERSION + 1);
    expect(opened.readExtension()).toBeUndefined();
    expect(decodeClip(bytes)).toEqual({ nodes, storageInfo });
  });

  it('is found when it stands at an odd offset of a larger buffer', () => {
    const bytes = encodeClip(smallClip());
    const larger = new Uint8Array(bytes.byteLength + 3);
    larger.set(bytes, 3);
    expect(decodeClip(larger.subarray(3))).toEqual(smallClip());
  });

  it.each([
    ['checkpoints that go back', [300, 10]],
    ['an offset that is no whole number', [1.5]],
  ])('is not written with %s', (_, offsets) => {
    const { extension } = smallClip();
    const checkpoints = offsets.map((offset) => ({
      compressedOffset: offset,
      bit: 0,
      uncompressedOffset: 0,
      window: new Uint8Array(0),
    }));
    const layers = extension.layers.map((layer) => ({ ...layer, checkpoints }));
    expect(() => encodeExtension({ layers, entries: [] })).toThrow(ClipctlError);
  });
});

const EXAMPLE_ENTRY = {
  path: '/nul' as ByteString,
  special: {
    kind: 'character-device' as const,
    mode: 0o666,
    uid: 0,
    gid: 0,
    mtimeSeconds: -5n,
    mtimeNanoseconds: 0,
    deviceMajor: 1,
    deviceMinor: 3,
  },
  xattrs: new Map([['a' as ByteString, byteStringFromBytes(Uint8Array.of(0xff))]]),
};
