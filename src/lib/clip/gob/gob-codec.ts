/**
 * The seams of the gob codec. A **shape** is what we write, known when the program is built; a **wire type** is what
 * a stream defines for itself. A codec writes by its shape, and compiles a reader for whatever wire type a stream
 * has: fields meet by name, kinds must match exactly, the rest is skipped or left zero, as Go does.
 */
import type { ByteCursor } from '../byte-cursor.ts';
import type { ByteWriter } from '../byte-writer.ts';

/** Type ids that every stream knows (encoding/gob, type.go). */
export const BASIC_TYPE = { bool: 1, int: 2, uint: 3, float: 4, bytes: 5, string: 6, complex: 7, interface: 8 } as const;
export type BasicTypeName = keyof typeof BASIC_TYPE;

/** The lowest id of a type that a stream defines. */
export const FIRST_USER_TYPE = 64;

export type GobShape =
  | { readonly kind: 'basic'; readonly name: BasicTypeName }
  | {
      readonly kind: 'struct';
      readonly name: string;
      readonly fields: readonly { readonly name: string; readonly shape: GobShape }[];
    }
  | { readonly kind: 'slice'; readonly name: string; readonly element: GobShape }
  | { readonly kind: 'map'; readonly name: string; readonly key: GobShape; readonly element: GobShape }
  | { readonly kind: 'gob-encoder'; readonly name: string };

/** A type as a stream defined it; the numbers are type ids. */
export type WireType =
  | { readonly kind: 'struct'; readonly fields: readonly { readonly name: string; readonly typeId: number }[] }
  | { readonly kind: 'slice' | 'array'; readonly element: number }
  | { readonly kind: 'map'; readonly key: number; readonly element: number }
  | { readonly kind: 'gob-encoder' | 'other-encoder' };

export type WireTypes = ReadonlyMap<number, WireType>;

export type GobRead<T> = (cursor: ByteCursor) => T;

export interface GobCodec<T> {
  readonly shape: GobShape;
  /** What a field is that the stream doesn't have. */
  readonly zero: T;
  /** True when a struct leaves the field out. */
  isZero(value: T): boolean;
  write(out: ByteWriter, value: T): void;
  /**
   * Makes the reader of this codec's values in a stream with these types.
   * @throws ClipctlError CLIP_INVALID naming `where` when the kinds don't match
   */
  compile(types: WireTypes, typeId: number, where: string): GobRead<T>;
}

/** The name of a wire type for an error message. */
export function describeWireType(types: WireTypes, typeId: number): string {
  const basic = Object.entries(BASIC_TYPE).find(([, id]) => id === typeId);
  return basic?.[0] ?? types.get(typeId)?.kind ?? `undefined type ${typeId}`;
}
