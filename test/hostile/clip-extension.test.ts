/** Extension sections that lie, are cut or damaged (docs/clip-extension.md). */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/lib/clip/byte-writer.ts';
import { decodeClip, openClipBytes } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { encodeExtension } from '../../src/lib/clip/extension/encode-extension.ts';
import { BODY_MAGIC, encodeFooter, EXTENSION_VERSION, FOOTER_BYTES } from '../../src/lib/clip/extension/footer.ts';
import { writeVarint } from '../../src/lib/clip/extension/varint.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { smallClip } from '../clip/small-clip.ts';
import { mutate, seededNumbers } from './clip-mutations.ts';
import { errorOf, expectClipInvalid } from './clip-refused.ts';

const file = smallClip();
const valid = encodeClip(file);
const bare = encodeClip({ nodes: file.nodes, storageInfo: file.storageInfo });

/** The file with another body, behind a footer that is right about it. */
function withBody(body: Uint8Array, version = EXTENSION_VERSION): Uint8Array {
  const footer = encodeFooter([bare, body], { version, bodyOffset: bare.byteLength, bodyBytes: body.byteLength });
  return Buffer.concat([bare, body, footer]);
}

function bodyOf(write: (out: ByteWriter) => void): Uint8Array {
  const out = new ByteWriter();
  out.view(BODY_MAGIC);
  write(out);
  return out.toBytes();
}

describe('the extension of a .clip file', () => {
  it('is refused when any byte of the file is another one', () => {
    for (let offset = 0; offset < valid.byteLength; offset++) {
      const damaged = Uint8Array.from(valid);
      damaged[offset] = (damaged[offset] ?? 0) ^ 1;
      const error = errorOf(() => decodeClip(damaged));
      expect(error, `byte ${offset}`).toMatchObject({ code: 'CLIP_INVALID' });
    }
  });

  it('is refused when it is cut anywhere, and absent when it is cut off whole', () => {
    for (let length = bare.byteLength + 1; length < valid.byteLength; length++) expectClipInvalid(valid.subarray(0, length));
    expect(decodeClip(valid.subarray(0, bare.byteLength))).toEqual({ nodes: file.nodes, storageInfo: file.storageInfo });
  });

  it('leaves the index readable when it is damaged', () => {
    const damaged = Uint8Array.from(valid);
    damaged[bare.byteLength + 20] = 0xff;
    const opened = openClipBytes(damaged);
    expect(opened.nodes).toEqual(file.nodes);
    expect(() => opened.readExtension()).toThrow(ClipctlError);
  });

  it.each([
    ['behind its footer', 16, 2n ** 62n],
    ['in the header', 16, 0n],
    ['in the index', 16, 60n],
    ['longer than the file', 24, 2n ** 63n],
    ['empty', 24, 0n],
  ])('is refused when its body is %s', (_, field, value) => {
    const lying = Buffer.from(valid);
    lying.writeBigUInt64LE(value, valid.byteLength - FOOTER_BYTES + field);
    expect(expectClipInvalid(lying).details['field']).toBe('extension.footer');
  });

  it.each([2 ** 40, Number.MAX_SAFE_INTEGER, 1000])('is refused when a list announces %s elements', (count) => {
    const layer = (out: ByteWriter): void => {
      writeVarint(out, 1);
      for (const byte of [0, 0, 0, 1, 5, 5]) out.byte(byte);
    };
    const lists: ((out: ByteWriter) => void)[] = [
      (out) => writeVarint(out, count),
      (out) => {
        writeVarint(out, 0);
        writeVarint(out, count);
      },
      (out) => {
        layer(out);
        writeVarint(out, count);
      },
      (out) => {
        layer(out);
        writeVarint(out, 0);
        writeVarint(out, count);
      },
      (out) => {
        for (const byte of [0, 1, 0, 2]) out.byte(byte);
        writeVarint(out, count);
      },
      (out) => {
        for (const byte of [0, 1, 0, 8, 0, 0, 0]) out.byte(byte);
        writeVarint(out, count);
      },
    ];
    for (const write of lists) expect(expectClipInvalid(withBody(bodyOf(write))).message).toMatch(/announced/);
  });

  it('is refused with a choice, a part, a bit or a number that there is not', () => {
    const bodies = [
      [1, 0, 0, 0, 3, 5, 5, 0, 0, 0],
      [1, 0, 0, 0, 1, 5, 5, 1, 0, 0, 8, 0, 0, 0],
      [0, 1, 0, 16],
      [0, 1, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
    ];
    for (const body of bodies) expectClipInvalid(withBody(bodyOf((out) => out.view(Uint8Array.from(body)))));
  });

  it('is refused with version 0', () => {
    expect(expectClipInvalid(withBody(encodeExtension(file.extension).toBytes(), 0)).message).toContain('version 0');
  });

  it('is refused with bytes left over', () => {
    expect(expectClipInvalid(withBody(bodyOf((out) => out.view(new Uint8Array(3))))).message).toContain('left over');
  });

  it('is refused or read after any damage that its hash does not show', { timeout: 24 * 3600_000 }, () => {
    const body = encodeExtension(file.extension).toBytes();
    const next = seededNumbers(Number(process.env['CLIPCTL_FUZZ_SEED'] ?? 1));
    for (let run = Number(process.env['CLIPCTL_FUZZ_RUNS'] ?? 20_000); run > 0; run--) {
      const damaged = mutate(body, next);
      const error = errorOf(() => decodeClip(withBody(damaged)));
      if (error === undefined || (error instanceof ClipctlError && error.code === 'CLIP_INVALID')) continue;
      throw new Error(Buffer.from(damaged).toString('base64'), { cause: error });
    }
  });
});
