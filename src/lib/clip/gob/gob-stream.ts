/**
 * One value as a gob stream: messages, each behind its length. First the definitions of the types (with a negative
 * id), then the value (with the id of its type).
 */
import { ByteCursor } from '../byte-cursor.ts';
import { ByteWriter } from '../byte-writer.ts';
import { sharesNoField } from './composite-codecs.ts';
import { describeWireType, FIRST_USER_TYPE, type GobCodec, type WireType } from './gob-codec.ts';
import { readInt, readLength, readUint, writeInt, writeUint } from './numbers.ts';
import { defineShape, wireDefinition, wireTypeOf } from './wire-types.ts';

/** A stream of Go CLIP has about twenty. */
const MAX_DEFINITIONS = 1000;

/** Writes the definitions of the value's types and the value. */
export function encodeGob<T>(codec: Pick<GobCodec<T>, 'shape' | 'write'>, value: T): ByteWriter {
  const out = new ByteWriter();
  const { typeId, definitions } = defineShape(codec.shape);
  for (const [id, definition] of definitions) {
    appendMessage(out, (message) => {
      writeInt(message, -id);
      wireDefinition.write(message, definition);
    });
  }
  appendMessage(out, (message) => {
    writeInt(message, typeId);
    if (codec.shape.kind !== 'struct') message.byte(0);
    codec.write(message, value);
  });
  return out;
}

function appendMessage(out: ByteWriter, write: (message: ByteWriter) => void): void {
  const message = new ByteWriter();
  write(message);
  writeUint(out, message.byteLength);
  out.append(message);
}

/** Where a stream stands: what error messages call it, and its offset in the file. */
export interface GobSite {
  readonly where: string;
  readonly baseOffset: number;
}

/**
 * Reads the first value of a stream; what follows its message is ignored, as Go does.
 * @throws ClipctlError CLIP_INVALID
 */
export function decodeGob<T>(codec: GobCodec<T>, bytes: Uint8Array, site: GobSite): T {
  const cursor = new ByteCursor(bytes, site.where, site.baseOffset);
  const types = new Map<number, WireType>();
  for (;;) {
    cursor.where = site.where;
    openMessage(cursor);
    const typeId = readInt(cursor);
    if (typeId >= 0) return readValue(cursor, codec, { types, typeId });
    readDefinition(cursor, types, -typeId);
    closeMessage(cursor);
  }
}

function openMessage(cursor: ByteCursor): void {
  cursor.limit = cursor.bytes.byteLength;
  cursor.limit = readLength(cursor) + cursor.position;
}

function closeMessage(cursor: ByteCursor): void {
  if (cursor.remaining > 0) cursor.fail(`${cursor.remaining} bytes are left over in a message`);
}

const readWireDefinition = compileWireDefinition();

function compileWireDefinition(): (cursor: ByteCursor) => WireType {
  const { typeId, definitions } = defineShape(wireDefinition.shape);
  const types = new Map([...definitions].map(([id, definition]) => [id, wireTypeOf(definition, 'wireType')]));
  const read = wireDefinition.compile(types, typeId, 'type definition');
  return (cursor) => wireTypeOf(read(cursor), 'type definition');
}

function readDefinition(cursor: ByteCursor, types: Map<number, WireType>, id: number): void {
  if (id < FIRST_USER_TYPE) cursor.fail(`type ${id} cannot be defined`);
  if (types.has(id)) cursor.fail(`type ${id} is defined twice`);
  if (types.size >= MAX_DEFINITIONS) cursor.fail(`more than ${MAX_DEFINITIONS} types are defined`);
  types.set(id, readWireDefinition(cursor));
}

interface WireValue {
  readonly types: ReadonlyMap<number, WireType>;
  readonly typeId: number;
}

function readValue<T>(cursor: ByteCursor, codec: GobCodec<T>, { types, typeId }: WireValue): T {
  const read = codec.compile(types, typeId, cursor.where);
  if (codec.shape.kind !== 'struct' && readUint(cursor) !== 0)
    cursor.fail(`${describeWireType(types, typeId)} without its 0 byte`);
  if (sharesNoField(codec, types, typeId)) cursor.fail('none of its fields is known');
  const value = read(cursor);
  closeMessage(cursor);
  return value;
}
