/** Codecs made of codecs: struct, slice, map, set, pointer, and a value of ours in place of Go's. */
import type { ByteCursor } from '../byte-cursor.ts';
import { clipInvalid } from '../clip-invalid.ts';
import { text } from './basic-codecs.ts';
import { describeWireType, type GobCodec, type GobRead, type WireTypes } from './gob-codec.ts';
import { readCount, readUint, writeUint } from './numbers.ts';
import { skipValue } from './skip-value.ts';

/** Field codecs by Go's field name, in Go's order (the order is what the field numbers count). */
type StructFields<T> = { readonly [K in keyof T & string]: GobCodec<T[K]> };

/** A Go struct. It is always sent, even when every field is zero. */
export function struct<T extends object>(name: string, fields: StructFields<T>): GobCodec<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  const zero = Object.fromEntries(names.map((field) => [field, fields[field].zero])) as T;
  return {
    shape: { kind: 'struct', name, fields: names.map((field) => ({ name: field, shape: fields[field].shape })) },
    zero,
    isZero: () => false,
    write(out, value) {
      let last = -1;
      for (let index = 0; index < names.length; index++) {
        const field = names[index] as keyof T & string;
        const codec = fields[field];
        const fieldValue = value[field];
        if (codec.isZero(fieldValue)) continue;
        writeUint(out, index - last);
        codec.write(out, fieldValue);
        last = index;
      }
      out.byte(0);
    },
    compile: (types, typeId, where) => structReader(compileFields(fields, { types, typeId, where }), zero),
  };
}

interface CompileSite {
  readonly types: WireTypes;
  readonly typeId: number;
  readonly where: string;
}

interface FieldReader<T> {
  /** Undefined: the stream has a field that we don't. */
  readonly key: (keyof T & string) | undefined;
  readonly where: string;
  readonly read: GobRead<unknown>;
}

function compileFields<T extends object>(fields: StructFields<T>, { types, typeId, where }: CompileSite): FieldReader<T>[] {
  const wire = types.get(typeId);
  if (wire?.kind !== 'struct') throw mismatch('struct', { types, typeId, where });
  return wire.fields.map((field): FieldReader<T> => {
    if (!Object.hasOwn(fields, field.name)) {
      const unknownWhere = `${where}.${JSON.stringify(field.name.slice(0, 40))}`;
      return { key: undefined, where: unknownWhere, read: (cursor) => skipValue(cursor, types, field.typeId) };
    }
    const fieldWhere = `${where}.${field.name}`;
    const key = field.name as keyof T & string;
    return { key, where: fieldWhere, read: fields[key].compile(types, field.typeId, fieldWhere) };
  });
}

function structReader<T extends object>(fields: readonly FieldReader<T>[], zero: T): GobRead<T> {
  return (cursor) => {
    const value = { ...zero } as Record<string, unknown>;
    for (let index = -1; ;) {
      const delta = readUint(cursor);
      if (delta === 0) return value as T;
      index += delta;
      const field = fields[index];
      if (field === undefined) return cursor.fail(`field number ${index}, the struct has ${fields.length}`);
      cursor.where = field.where;
      const fieldValue = field.read(cursor);
      if (field.key !== undefined) value[field.key] = fieldValue;
    }
  };
}

/** A Go slice: an empty one is left out of a struct. */
export function slice<T>(element: GobCodec<T>, name = ''): GobCodec<readonly T[]> {
  return {
    shape: { kind: 'slice', name, element: element.shape },
    zero: [],
    isZero: (values) => values.length === 0,
    write(out, values) {
      writeUint(out, values.length);
      for (const value of values) element.write(out, value);
    },
    compile(types, typeId, where) {
      const wire = types.get(typeId);
      if (wire?.kind !== 'slice') throw mismatch('slice', { types, typeId, where });
      const read = element.compile(types, wire.element, `${where}[]`);
      return (cursor) => {
        const values: T[] = [];
        for (let count = readCount(cursor); count > 0; count--) values.push(read(cursor));
        return values;
      };
    },
  };
}

/** A Go map with string keys, written in the order of the keys; an empty one is left out (Go's nil map). */
export function map<T>(element: GobCodec<T>, name = ''): GobCodec<ReadonlyMap<string, T>> {
  return {
    shape: { kind: 'map', name, key: text.shape, element: element.shape },
    zero: new Map(),
    isZero: (values) => values.size === 0,
    write(out, values) {
      writeUint(out, values.size);
      for (const [key, value] of [...values].sort(byKey)) {
        text.write(out, key);
        element.write(out, value);
      }
    },
    compile(types, typeId, where) {
      const wire = types.get(typeId);
      if (wire?.kind !== 'map') throw mismatch('map', { types, typeId, where });
      const readKey = text.compile(types, wire.key, `${where}.key`);
      const readElement = element.compile(types, wire.element, `${where}[]`);
      return (cursor) => readEntries(cursor, readKey, readElement);
    },
  };
}

function readEntries<T>(cursor: ByteCursor, readKey: GobRead<string>, readElement: GobRead<T>): Map<string, T> {
  const entries = new Map<string, T>();
  for (let count = readCount(cursor); count > 0; count--) {
    const key = readKey(cursor);
    entries.set(key, readElement(cursor));
  }
  return entries;
}

function byKey([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** A Go pointer: a nil one is left out of a struct, another is written as its target. */
export function pointer<T>(target: GobCodec<T>): GobCodec<T | undefined> {
  return {
    shape: target.shape,
    zero: undefined,
    isZero: (value) => value === undefined,
    write: (out, value) => {
      if (value !== undefined) target.write(out, value);
    },
    compile: (types, typeId, where) => target.compile(types, typeId, where),
  };
}

/** Our form of a value whose Go form has a codec. */
export function convert<Wire, Ours>(
  wire: GobCodec<Wire>,
  { toOurs, toWire }: { toOurs: (value: Wire) => Ours; toWire: (value: Ours) => Wire },
): GobCodec<Ours> {
  return {
    shape: wire.shape,
    zero: toOurs(wire.zero),
    isZero: (value) => wire.isZero(toWire(value)),
    write: (out, value) => wire.write(out, toWire(value)),
    compile(types, typeId, where) {
      const read = wire.compile(types, typeId, where);
      return (cursor) => toOurs(read(cursor));
    },
  };
}

/** True when a struct of the stream has fields, and none of them is ours: Go refuses to decode it. */
export function sharesNoField(codec: GobCodec<unknown>, types: WireTypes, typeId: number): boolean {
  const wire = types.get(typeId);
  if (codec.shape.kind !== 'struct' || wire?.kind !== 'struct' || wire.fields.length === 0) return false;
  const ours = new Set(codec.shape.fields.map((field) => field.name));
  return !wire.fields.some((field) => ours.has(field.name));
}

function mismatch(expected: string, { types, typeId, where }: CompileSite): Error {
  return clipInvalid(`${where}: a ${expected} is expected, the file has ${describeWireType(types, typeId)}`, { field: where });
}
