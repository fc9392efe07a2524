/** Codecs of gob's basic types, one for each way we keep a value. */
import { EMPTY_BYTES, type ByteString } from '../../byte-string.ts';
import { clipInvalid } from '../clip-invalid.ts';
import type { ByteCursor } from '../byte-cursor.ts';
import type { ByteWriter } from '../byte-writer.ts';
import { BASIC_TYPE, describeWireType, type BasicTypeName, type GobCodec, type GobRead } from './gob-codec.ts';
import { readInt, readLength, readUint, readUint64, writeInt, writeUint, writeUint32, writeUint64 } from './numbers.ts';

const MAX_UINT32 = 2 ** 32 - 1;

/** Go's int, int64 … within the safe integers. */
export const int = basicCodec('int', { zero: 0, read: readInt, write: writeInt });

/** Go's uint64. */
export const uint64 = basicCodec('uint', { zero: 0n, read: readUint64, write: writeUint64 });

/** Go's uint32: Go refuses a larger number, so it is neither read nor written. */
export const uint32 = basicCodec('uint', { zero: 0, read: readUint32, write: writeUint32 });

/** Go's string as raw bytes. */
export const byteString = basicCodec('string', {
  zero: EMPTY_BYTES,
  read: (cursor: ByteCursor): ByteString => cursor.takeByteString(readLength(cursor)),
  write: (out: ByteWriter, value: ByteString) => {
    writeUint(out, value.length);
    out.latin1(value);
  },
});

/** Go's string as text. */
export const text = basicCodec('string', {
  zero: '',
  read: (cursor: ByteCursor) => cursor.takeText(readLength(cursor)),
  write: writeText,
});

/** Text that has few values over a whole stream: equal ones share their memory. */
export const repeatedText = basicCodec('string', {
  zero: '',
  read: (cursor: ByteCursor) => cursor.takeRepeatedText(readLength(cursor)),
  write: writeText,
});

const NO_BYTES = new Uint8Array(0);

/** Go's []byte, read as a view. */
export const bytes: GobCodec<Uint8Array> = {
  ...basicCodec('bytes', {
    zero: NO_BYTES,
    read: (cursor: ByteCursor): Uint8Array => cursor.takeView(readLength(cursor)),
    write: (out: ByteWriter, value: Uint8Array) => {
      writeUint(out, value.byteLength);
      out.view(value);
    },
  }),
  isZero: (value) => value.byteLength === 0,
};

interface BasicCodecParts<T> {
  readonly zero: T;
  readonly read: GobRead<T>;
  readonly write: (out: ByteWriter, value: T) => void;
}

function basicCodec<T>(name: BasicTypeName, { zero, read, write }: BasicCodecParts<T>): GobCodec<T> {
  return {
    shape: { kind: 'basic', name },
    zero,
    isZero: (value) => value === zero,
    write,
    compile(types, typeId, where) {
      if (typeId === BASIC_TYPE[name]) return read;
      throw clipInvalid(`${where}: ${name} is expected, the file has ${describeWireType(types, typeId)}`, { field: where });
    },
  };
}

function readUint32(cursor: ByteCursor): number {
  const value = readUint(cursor);
  return value <= MAX_UINT32 ? value : cursor.fail(`${value} does not fit 32 bits`);
}

function writeText(out: ByteWriter, value: string): void {
  const byteLength = Buffer.byteLength(value, 'utf8');
  writeUint(out, byteLength);
  out.utf8(value, byteLength);
}
