import { clipInvalid } from '../clip-invalid.ts';
import { struct, map } from './composite-codecs.ts';
import { describeWireType, type GobCodec } from './gob-codec.ts';
import { readCount } from './numbers.ts';
import { skipValue } from './skip-value.ts';
import { text } from './basic-codecs.ts';

const asMap = map(struct<Record<string, never>>('', {}), 'map[string]struct {}');

/** Go's `map[string]struct{}` as a sorted list without duplicates. */
export const stringSet: GobCodec<readonly string[]> = {
  shape: asMap.shape,
  zero: [],
  isZero: (values) => values.length === 0,
  write: (out, values) => asMap.write(out, new Map(values.map((value) => [value, {}]))),
  compile(types, typeId, where) {
    const wire = types.get(typeId);
    const element = wire?.kind === 'map' ? types.get(wire.element) : undefined;
    if (wire?.kind !== 'map' || element?.kind !== 'struct') {
      throw clipInvalid(`${where}: a set is expected, the file has ${describeWireType(types, typeId)}`, { field: where });
    }
    const readKey = text.compile(types, wire.key, where);
    return (cursor) => {
      const values = new Set<string>();
      for (let count = readCount(cursor); count > 0; count--) {
        values.add(readKey(cursor));
        skipValue(cursor, types, wire.element);
      }
      return [...values].sort();
    };
  },
};
