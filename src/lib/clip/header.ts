/** The 54 bytes that a `.clip` file starts with (FORMATS.md §1), all numbers little-endian. */
import { clipInvalid } from './clip-invalid.ts';

export const HEADER_BYTES = 54;
/** The only storage type we know: layers of an OCI image. */
export const STORAGE_TYPE = 'oci';

const MAGIC = Buffer.from('89434c49500d0a1a0a', 'hex');
const VERSION = 1;
const TYPE_OFFSET = 42;
const TYPE_BYTES = 12;

/** Where a section stands in the file. */
export interface ClipSection {
  readonly offset: number;
  readonly byteLength: number;
}

export interface ClipHeader {
  readonly index: ClipSection;
  readonly storageInfo: ClipSection;
}

export function encodeHeader({ index, storageInfo }: ClipHeader): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  MAGIC.copy(header);
  header.writeUInt8(VERSION, MAGIC.byteLength);
  header.writeBigInt64LE(BigInt(index.byteLength), 10);
  header.writeBigInt64LE(BigInt(index.offset), 18);
  header.writeBigInt64LE(BigInt(storageInfo.byteLength), 26);
  header.writeBigInt64LE(BigInt(storageInfo.offset), 34);
  header.write(STORAGE_TYPE, TYPE_OFFSET, 'latin1');
  return header;
}

/** @throws ClipctlError CLIP_INVALID naming the field; the sections then lie inside of the file and apart */
export function decodeHeader(file: Uint8Array): ClipHeader {
  const bytes = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  if (bytes.byteLength < HEADER_BYTES) {
    throw clipInvalid(`${bytes.byteLength} bytes are no header of ${HEADER_BYTES} bytes`, {
      field: 'header',
      sizeBytes: bytes.byteLength,
    });
  }
  if (!bytes.subarray(0, MAGIC.byteLength).equals(MAGIC))
    throw clipInvalid('it does not start as one', { field: 'header.StartBytes', offset: 0 });
  const version = bytes.readUInt8(MAGIC.byteLength);
  if (version !== VERSION)
    throw clipInvalid(`format version ${version} is not known`, { field: 'header.ClipFileFormatVersion', offset: 9 });
  checkType(bytes);
  const index = readSection(bytes, { name: 'Index', lengthOffset: 10 });
  const storageInfo = readSection(bytes, { name: 'StorageInfo', lengthOffset: 26 });
  const [first, second] = index.offset <= storageInfo.offset ? [index, storageInfo] : [storageInfo, index];
  if (first.offset + first.byteLength > second.offset) throw clipInvalid('index and storage info overlap', { field: 'header' });
  return { index, storageInfo };
}

function checkType(bytes: Buffer): void {
  const padded = bytes.toString('latin1', TYPE_OFFSET, TYPE_OFFSET + TYPE_BYTES);
  if (padded === STORAGE_TYPE.padEnd(TYPE_BYTES, '\0')) return;
  const type = JSON.stringify(padded.replace(/\0+$/, ''));
  throw clipInvalid(`storage type ${type} is not known`, { field: 'header.StorageInfoType', offset: TYPE_OFFSET });
}

function readSection(bytes: Buffer, { name, lengthOffset }: { name: string; lengthOffset: number }): ClipSection {
  const length = bytes.readBigInt64LE(lengthOffset);
  const position = bytes.readBigInt64LE(lengthOffset + 8);
  if (position < HEADER_BYTES || position > bytes.byteLength) {
    throw clipInvalid(`${name}Pos is ${position} in a file of ${bytes.byteLength} bytes`, {
      field: `header.${name}Pos`,
      offset: lengthOffset + 8,
    });
  }
  if (length < 0 || length > BigInt(bytes.byteLength) - position) {
    throw clipInvalid(`${name}Length is ${length}, ${bytes.byteLength - Number(position)} bytes are there`, {
      field: `header.${name}Length`,
      offset: lengthOffset,
    });
  }
  return { offset: Number(position), byteLength: Number(length) };
}
