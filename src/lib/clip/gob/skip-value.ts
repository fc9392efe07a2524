import type { ByteCursor } from '../byte-cursor.ts';
import { BASIC_TYPE, type WireType, type WireTypes } from './gob-codec.ts';
import { readCount, readInt, readLength, readUint, readUint64 } from './numbers.ts';

/** Go stops at 10,000; nothing that a `.clip` skips is nested deeper than a few levels. */
const MAX_DEPTH = 100;

/**
 * Passes over a value that we have no field for. Types may refer to themselves: the depth of the data is what is
 * limited.
 * @throws ClipctlError CLIP_INVALID
 */
export function skipValue(cursor: ByteCursor, types: WireTypes, typeId: number): void {
  skipNested({ cursor, types, depth: 0 }, typeId);
}

interface Nesting {
  readonly cursor: ByteCursor;
  readonly types: WireTypes;
  readonly depth: number;
}

function skipNested(nesting: Nesting, typeId: number): void {
  const { cursor, types, depth } = nesting;
  if (depth > MAX_DEPTH) cursor.fail(`values are nested deeper than ${MAX_DEPTH}`);
  if (isBasic(typeId)) return skipBasic(cursor, typeId);
  const type = types.get(typeId);
  if (type === undefined) return cursor.fail(`type ${typeId} is not defined`);
  const inner = { cursor, types, depth: depth + 1 };
  switch (type.kind) {
    case 'struct':
      return skipStruct(inner, type.fields);
    case 'slice':
    case 'array':
      return skipElements(inner, [type.element]);
    case 'map':
      return skipElements(inner, [type.key, type.element]);
    case 'gob-encoder':
    case 'other-encoder':
      cursor.advance(readLength(cursor));
  }
}

function skipElements(inner: Nesting, typeIds: readonly number[]): void {
  for (let count = readCount(inner.cursor); count > 0; count--) {
    for (const typeId of typeIds) skipNested(inner, typeId);
  }
}

type StructFields = Extract<WireType, { kind: 'struct' }>['fields'];

function skipStruct(inner: Nesting, fields: StructFields): void {
  const { cursor } = inner;
  for (let index = -1; ;) {
    const delta = readUint(cursor);
    if (delta === 0) return;
    index += delta;
    const field = fields[index];
    if (field === undefined) return cursor.fail(`field ${index} of ${fields.length}`);
    skipNested(inner, field.typeId);
  }
}

function isBasic(typeId: number): boolean {
  return typeId >= BASIC_TYPE.bool && typeId <= BASIC_TYPE.interface;
}

function skipBasic(cursor: ByteCursor, typeId: number): void {
  switch (typeId) {
    case BASIC_TYPE.bytes:
    case BASIC_TYPE.string:
      cursor.advance(readLength(cursor));
      return;
    case BASIC_TYPE.complex:
      readUint64(cursor);
      readUint64(cursor);
      return;
    case BASIC_TYPE.interface:
      return skipInterface(cursor);
    default:
      readUint64(cursor);
  }
}

/** An interface value: the name of its type (none: nil), the type's id, and the value behind its length. */
function skipInterface(cursor: ByteCursor): void {
  const nameLength = readLength(cursor);
  if (nameLength === 0) return;
  cursor.advance(nameLength);
  if (readInt(cursor) < 0) cursor.fail('a type definition inside an interface value');
  cursor.advance(readLength(cursor));
}
