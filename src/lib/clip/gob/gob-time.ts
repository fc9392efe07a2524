/** Go's `time.Time` as `Time.MarshalBinary` writes it: a GobEncoder value of 15 bytes. */
import type { ClipTime } from '../clip-file.ts';
import { ClipctlError } from '../../errors.ts';
import { clipInvalid } from '../clip-invalid.ts';
import { describeWireType, type GobCodec } from './gob-codec.ts';
import { readLength, writeUint } from './numbers.ts';

const VERSION_1 = 1;
/** One byte longer: the zone also has seconds, which we drop (times before standard zones). */
const VERSION_2 = 2;
const VERSION_1_BYTES = 15;
/** From 0001-01-01 to 1970-01-01. */
const SECONDS_BEFORE_1970 = 62_135_596_800n;

/** Undefined is Go's zero time. */
export const time: GobCodec<ClipTime | undefined> = {
  shape: { kind: 'gob-encoder', name: 'Time' },
  zero: undefined,
  isZero: (value) => value === undefined,
  write(out, value) {
    const encoded = encodeTime(value ?? { seconds: -SECONDS_BEFORE_1970, nanoseconds: 0, zoneMinutes: -1 });
    writeUint(out, encoded.byteLength);
    out.view(encoded);
  },
  compile(types, typeId, where) {
    if (types.get(typeId)?.kind !== 'gob-encoder') {
      throw clipInvalid(`${where}: a time is expected, the file has ${describeWireType(types, typeId)}`, { field: where });
    }
    return (cursor) => {
      const encoded = cursor.takeView(readLength(cursor));
      return decodeTime(encoded) ?? cursor.fail('not a time of Go');
    };
  },
};

function encodeTime({ seconds, nanoseconds, zoneMinutes }: ClipTime): Uint8Array {
  const encoded = new DataView(new ArrayBuffer(VERSION_1_BYTES));
  const goSeconds = seconds + SECONDS_BEFORE_1970;
  if (goSeconds !== BigInt.asIntN(64, goSeconds)) throw new ClipctlError('INTERNAL', `cannot write the time ${seconds}`);
  encoded.setUint8(0, VERSION_1);
  encoded.setBigInt64(1, goSeconds);
  encoded.setInt32(9, nanoseconds);
  encoded.setInt16(13, zoneMinutes);
  return new Uint8Array(encoded.buffer);
}

function decodeTime(bytes: Uint8Array): ClipTime | undefined {
  const version = bytes[0];
  if (version !== VERSION_1 && version !== VERSION_2) return undefined;
  if (bytes.byteLength !== (version === VERSION_1 ? VERSION_1_BYTES : VERSION_1_BYTES + 1)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const nanoseconds = view.getInt32(9);
  if (nanoseconds < 0 || nanoseconds > 999_999_999) return undefined;
  return { seconds: view.getBigInt64(1) - SECONDS_BEFORE_1970, nanoseconds, zoneMinutes: view.getInt16(13) };
}
