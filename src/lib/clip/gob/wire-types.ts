/** Type definitions as they stand in a stream: Go's `wireType` struct (encoding/gob, type.go). */
import { clipInvalid } from '../clip-invalid.ts';
import { int, text } from './basic-codecs.ts';
import { pointer, slice, struct } from './composite-codecs.ts';
import { BASIC_TYPE, FIRST_USER_TYPE, type GobCodec, type GobShape, type WireType } from './gob-codec.ts';

interface Common {
  readonly Name: string;
  readonly Id: number;
}

export interface WireDefinition {
  readonly ArrayT: { readonly CommonType: Common; readonly Elem: number; readonly Len: number } | undefined;
  readonly SliceT: { readonly CommonType: Common; readonly Elem: number } | undefined;
  readonly StructT: { readonly CommonType: Common; readonly Field: readonly Common[] } | undefined;
  readonly MapT: { readonly CommonType: Common; readonly Key: number; readonly Elem: number } | undefined;
  readonly GobEncoderT: { readonly CommonType: Common } | undefined;
  readonly BinaryMarshalerT: { readonly CommonType: Common } | undefined;
  readonly TextMarshalerT: { readonly CommonType: Common } | undefined;
}

const commonType = struct<Common>('CommonType', { Name: text, Id: int });
const encoderType = struct<{ readonly CommonType: Common }>('gobEncoderType', { CommonType: commonType });

export const wireDefinition: GobCodec<WireDefinition> = struct<WireDefinition>('wireType', {
  ArrayT: pointer(struct('arrayType', { CommonType: commonType, Elem: int, Len: int })),
  SliceT: pointer(struct('sliceType', { CommonType: commonType, Elem: int })),
  StructT: pointer(
    struct('structType', { CommonType: commonType, Field: slice(struct<Common>('fieldType', { Name: text, Id: int })) }),
  ),
  MapT: pointer(struct('mapType', { CommonType: commonType, Key: int, Elem: int })),
  GobEncoderT: pointer(encoderType),
  BinaryMarshalerT: pointer(encoderType),
  TextMarshalerT: pointer(encoderType),
});

const NO_DEFINITION: WireDefinition = wireDefinition.zero;

/** The definitions a stream needs for `shape`, in Go's order: a type before the types it is made of. */
export interface ShapeDefinitions {
  readonly typeId: number;
  readonly definitions: ReadonlyMap<number, WireDefinition>;
}

export function defineShape(shape: GobShape): ShapeDefinitions {
  const ids = new Map<GobShape, number>();
  const definitions = new Map<number, WireDefinition>();
  numberShapes(shape, ids);
  for (const [known, id] of ids) definitions.set(id, definitionOf(known, { id, ids }));
  return { typeId: idOf(shape, ids), definitions };
}

function numberShapes(shape: GobShape, ids: Map<GobShape, number>): void {
  if (shape.kind === 'basic' || ids.has(shape)) return;
  ids.set(shape, FIRST_USER_TYPE + 1 + ids.size);
  if (shape.kind === 'struct') for (const field of shape.fields) numberShapes(field.shape, ids);
  if (shape.kind === 'slice' || shape.kind === 'map') numberShapes(shape.element, ids);
}

function idOf(shape: GobShape, ids: ReadonlyMap<GobShape, number>): number {
  return shape.kind === 'basic' ? BASIC_TYPE[shape.name] : (ids.get(shape) ?? 0);
}

interface Numbered {
  readonly id: number;
  readonly ids: ReadonlyMap<GobShape, number>;
}

function definitionOf(shape: GobShape, { id, ids }: Numbered): WireDefinition {
  const CommonType: Common = { Name: shape.name, Id: id };
  switch (shape.kind) {
    case 'struct': {
      const Field = shape.fields.map((field) => ({ Name: field.name, Id: idOf(field.shape, ids) }));
      return { ...NO_DEFINITION, StructT: { CommonType, Field } };
    }
    case 'slice':
      return { ...NO_DEFINITION, SliceT: { CommonType, Elem: idOf(shape.element, ids) } };
    case 'map':
      return { ...NO_DEFINITION, MapT: { CommonType, Key: idOf(shape.key, ids), Elem: idOf(shape.element, ids) } };
    default:
      return { ...NO_DEFINITION, GobEncoderT: { CommonType } };
  }
}

/** @throws ClipctlError CLIP_INVALID when the definition says nothing, or a field has no name */
export function wireTypeOf(definition: WireDefinition, where: string): WireType {
  const { ArrayT, SliceT, StructT, MapT, GobEncoderT, BinaryMarshalerT, TextMarshalerT } = definition;
  if (StructT !== undefined) {
    if (StructT.Field.some((field) => field.Name === '')) throw clipInvalid(`${where}: a field without a name`, { field: where });
    return { kind: 'struct', fields: StructT.Field.map((field) => ({ name: field.Name, typeId: field.Id })) };
  }
  if (SliceT !== undefined) return { kind: 'slice', element: SliceT.Elem };
  if (MapT !== undefined) return { kind: 'map', key: MapT.Key, element: MapT.Elem };
  if (ArrayT !== undefined) return { kind: 'array', element: ArrayT.Elem };
  if (GobEncoderT !== undefined) return { kind: 'gob-encoder' };
  if (BinaryMarshalerT !== undefined || TextMarshalerT !== undefined) return { kind: 'other-encoder' };
  throw clipInvalid(`${where}: a type definition that says nothing`, { field: where });
}
