/** RELIABILITY §1.3 row 28: gob streams made to hurt (CVE-2024-34156, CVE-2022-30635), and streams that are cut. */
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../src/lib/clip/byte-writer.ts';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { encodeHeader } from '../../src/lib/clip/header.ts';
import { BASIC_TYPE } from '../../src/lib/clip/gob/gob-codec.ts';
import { writeInt, writeUint, writeUint64 } from '../../src/lib/clip/gob/numbers.ts';
import { wireDefinition, type WireDefinition } from '../../src/lib/clip/gob/wire-types.ts';
import { emptyStorageInfo, smallClip } from '../clip/small-clip.ts';
import { expectClipInvalid } from './clip-refused.ts';

const DEPTH = 100_000;

const plain = Buffer.from(encodeClip({ nodes: [], storageInfo: emptyStorageInfo() }));
const storage = plain.subarray(54 + Number(plain.readBigInt64LE(10)));

/** A file with this index section and a valid storage info. */
function withIndex(...messages: readonly Uint8Array[]): Uint8Array {
  const index = Buffer.concat(messages);
  const sections = {
    index: { offset: 54, byteLength: index.byteLength },
    storageInfo: { offset: 54 + index.byteLength, byteLength: storage.byteLength },
  };
  return Buffer.concat([encodeHeader(sections), index, storage]);
}

function message(write: (out: ByteWriter) => void): Uint8Array {
  const body = new ByteWriter();
  write(body);
  const out = new ByteWriter();
  writeUint(out, body.byteLength);
  out.append(body);
  return out.toBytes();
}

function define(id: number, definition: Partial<WireDefinition>): Uint8Array {
  return message((out) => {
    writeInt(out, -id);
    wireDefinition.write(out, { ...wireDefinition.zero, ...definition });
  });
}

function common(id: number): { CommonType: { Name: string; Id: number } } {
  return { CommonType: { Name: 'T', Id: id } };
}

function defineSlice(id: number, element: number): Uint8Array {
  return define(id, { SliceT: { ...common(id), Elem: element } });
}

function defineStruct(id: number, fields: Readonly<Record<string, number>>): Uint8Array {
  const Field = Object.entries(fields).map(([Name, Id]) => ({ Name, Id }));
  return define(id, { StructT: { ...common(id), Field } });
}

/** A value message: type id, the 0 byte of a value that is no struct, and these bytes. */
function value(id: number, write: (out: ByteWriter) => void): Uint8Array {
  return message((out) => {
    writeInt(out, id);
    out.byte(0);
    write(out);
  });
}

describe('type definitions of a gob stream', () => {
  it('are refused when there are 100,000, each nested in the one before', () => {
    const nest = Array.from({ length: DEPTH }, (_, index) => defineSlice(65 + index, 66 + index));
    expect(expectClipInvalid(withIndex(...nest)).message).toContain('types are defined');
  });

  it('are refused when one comes twice', () => {
    const twice = withIndex(defineSlice(65, 66), defineSlice(65, 66));
    expect(expectClipInvalid(twice).message).toContain('twice');
  });

  it.each([0, 1, 6, 16, 63])('are refused for the reserved id %s', (id) => {
    expectClipInvalid(
      withIndex(
        defineSlice(id, 66),
        value(id, (out) => writeUint(out, 0)),
      ),
    );
  });

  it('are refused when they say nothing, or name a field with nothing', () => {
    expectClipInvalid(withIndex(define(65, {})));
    expectClipInvalid(withIndex(defineStruct(65, { '': BASIC_TYPE.int })));
  });

  it('are refused when a slice is its own element', () => {
    const self = withIndex(
      defineSlice(65, 65),
      value(65, (out) => writeUint(out, 1)),
    );
    expect(expectClipInvalid(self).message).toContain('struct is expected');
  });

  it.each([64, 99, 5000, -3, 2 ** 40])('are missed when a value has the unknown id %s', (id) => {
    expectClipInvalid(
      withIndex(
        defineSlice(65, id),
        value(65, (out) => writeUint(out, 1)),
      ),
    );
    expectClipInvalid(
      withIndex(
        defineSlice(65, 66),
        defineStruct(66, { Extra: id }),
        oneNode((out) => out.byte(1)),
      ),
    );
  });

  it('may define what is never used', () => {
    const file = withIndex(
      defineSlice(65, 66),
      defineStruct(66, { NodeType: BASIC_TYPE.string }),
      defineSlice(70, 70),
      value(65, (out) => writeUint(out, 0)),
    );
    expect(decodeClip(file).nodes).toEqual([]);
  });
});

/** A value of type 65 = slice of 66, with one element that `write` writes. */
function oneNode(write: (out: ByteWriter) => void): Uint8Array {
  return value(65, (out) => {
    writeUint(out, 1);
    write(out);
  });
}

describe('values of a gob stream', () => {
  const nodes = [
    defineSlice(65, 66),
    defineStruct(66, { Path: BASIC_TYPE.string, Next: 66, DataPos: BASIC_TYPE.int, Many: 67 }),
    defineSlice(67, 67),
  ];

  it.each([2n ** 40n, 2n ** 63n, 2n ** 64n - 1n, 1000n])('are refused when a slice announces %s elements', (count) => {
    expectClipInvalid(
      withIndex(
        ...nodes,
        value(65, (out) => writeUint64(out, count)),
      ),
    );
  });

  it('are refused when ten million nodes take a byte each', () => {
    const bomb = Buffer.concat([Buffer.from('fd989680', 'hex'), Buffer.alloc(10_000_000)]);
    const file = withIndex(
      ...nodes,
      value(65, (out) => out.view(bomb)),
    );
    expect(expectClipInvalid(file).message).toContain('more than 5000000');
  });

  it.each([2n ** 40n, 2n ** 64n - 1n, 100n])('are refused when a string announces %s bytes', (length) => {
    const file = withIndex(
      ...nodes,
      oneNode((out) => {
        out.byte(1);
        writeUint64(out, length);
      }),
    );
    expect(expectClipInvalid(file).message).toContain('Path');
  });

  it('are refused when a skipped field is nested 100,000 deep in itself', () => {
    const structs = withIndex(
      ...nodes,
      oneNode((out) => {
        for (let depth = 0; depth < DEPTH; depth++) out.byte(2);
        for (let depth = 0; depth <= DEPTH; depth++) out.byte(0);
      }),
    );
    expect(expectClipInvalid(structs).message).toContain('nested deeper');
    const slices = withIndex(
      ...nodes,
      oneNode((out) => {
        out.byte(4);
        for (let depth = 0; depth < DEPTH; depth++) out.byte(1);
        out.byte(0);
        out.byte(0);
      }),
    );
    expect(expectClipInvalid(slices).message).toContain('nested deeper');
  });

  it('are refused with a field number beyond the struct', () => {
    for (const delta of [5n, 200n, 2n ** 40n, 2n ** 64n - 1n]) {
      expectClipInvalid(
        withIndex(
          ...nodes,
          oneNode((out) => writeUint64(out, delta)),
        ),
      );
    }
  });

  it('are refused with a number that an offset cannot be', () => {
    const file = withIndex(
      ...nodes,
      oneNode((out) => {
        out.byte(3);
        writeUint64(out, 2n ** 60n);
        out.byte(0);
      }),
    );
    expect(expectClipInvalid(file).message).toContain('DataPos');
  });

  it('are refused when kinds do not match: an int for a string, an int for a uint', () => {
    expect(
      expectClipInvalid(
        withIndex(
          defineSlice(65, 66),
          defineStruct(66, { Path: BASIC_TYPE.int }),
          oneNode((out) => out.byte(0)),
        ),
      ).message,
    ).toContain('string is expected');
    const attr = [defineSlice(65, 66), defineStruct(66, { Attr: 67 }), defineStruct(67, { Ino: BASIC_TYPE.int })];
    expect(
      expectClipInvalid(
        withIndex(
          ...attr,
          oneNode((out) => out.byte(0)),
        ),
      ).message,
    ).toContain('uint is expected');
  });

  it('are refused when bytes are left over in a message', () => {
    const file = withIndex(
      ...nodes,
      oneNode((out) => {
        out.byte(0);
        out.byte(0);
      }),
    );
    expect(expectClipInvalid(file).message).toContain('left over');
  });

  it('may have other fields, fewer fields and another order', () => {
    const file = withIndex(
      defineSlice(65, 66),
      defineStruct(66, { Extra: 67, Target: BASIC_TYPE.string, Path: BASIC_TYPE.string }),
      define(67, { MapT: { ...common(67), Key: BASIC_TYPE.string, Elem: 68 } }),
      defineStruct(68, {
        Deep: BASIC_TYPE.int,
        Bytes: BASIC_TYPE.bytes,
        Flag: BASIC_TYPE.bool,
        Ratio: BASIC_TYPE.float,
        Pair: BASIC_TYPE.complex,
      }),
      oneNode((out) => {
        for (const byte of [
          1, 1, 1, 0x6b, 1, 8, 1, 2, 9, 9, 1, 1, 1, 0xfe, 0x40, 0x01, 1, 2, 3, 0, 1, 1, 0x74, 1, 2, 0x2f, 0x70, 0,
        ])
          out.byte(byte);
      }),
    );
    expect(decodeClip(file).nodes).toMatchObject([{ path: '/p', target: 't', nodeType: '', dataPos: 0 }]);
  });
});

describe('a gob stream', () => {
  it('is refused wherever one of its streams is cut, with a header that fits', () => {
    const file = Buffer.from(encodeClip(smallClip()));
    const indexBytes = Number(file.readBigInt64LE(10));
    const index = file.subarray(54, 54 + indexBytes);
    for (let length = 0; length < index.byteLength; length++) expectClipInvalid(withIndex(index.subarray(0, length)));
    for (let length = 0; length < Number(file.readBigInt64LE(26)); length++) {
      const cut = Buffer.from(file);
      cut.writeBigInt64LE(BigInt(length), 26);
      expectClipInvalid(cut);
    }
  });
});
