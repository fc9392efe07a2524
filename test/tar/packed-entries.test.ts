import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../src/lib/byte-string.ts';
import { EntryPacker, openEntries, pageBuffersOf } from '../../src/lib/tar/packed-entries.ts';
import type { PackedEntries } from '../../src/lib/tar/packed-entry.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';

const bytes = (maxLength: number): fc.Arbitrary<ByteString> =>
  fc.uint8Array({ maxLength }).map((array) => Buffer.from(array).toString('latin1') as ByteString);
const whole = fc.oneof(fc.maxSafeInteger(), fc.maxSafeNat(), fc.nat());
const time = fc.record({ seconds: whole, nanoseconds: fc.nat(999_999_999) });

const anyEntry: fc.Arbitrary<TarEntry> = fc.record(
  {
    kind: fc.constantFrom('file', 'directory', 'symlink', 'hardlink', 'character-device', 'block-device', 'fifo'),
    typeFlag: fc.nat(255),
    name: fc.oneof(bytes(40), bytes(40), fc.constant('n'.repeat(70_000) as ByteString)),
    linkName: bytes(20),
    mode: whole,
    uid: whole,
    gid: whole,
    userName: fc.constantFrom('' as ByteString, 'root' as ByteString, '\xff' as ByteString),
    groupName: fc.constantFrom('' as ByteString, 'wheel' as ByteString),
    size: whole,
    mtime: time,
    atime: time,
    ctime: time,
    deviceMajor: fc.oneof(fc.constant(0), whole),
    deviceMinor: fc.oneof(fc.constant(0), whole),
    xattrs: fc.array(fc.tuple(bytes(9), bytes(9)), { maxLength: 2 }).map((pairs) => new Map(pairs)),
    sparse: fc.array(fc.record({ offset: whole, length: whole }), { maxLength: 2 }),
    payloadOffset: whole,
    storedBytes: whole,
  },
  {
    requiredKeys: [
      ...(['kind', 'typeFlag', 'name', 'linkName', 'mode', 'uid', 'gid', 'userName', 'groupName', 'size', 'mtime'] as const),
      ...(['deviceMajor', 'deviceMinor', 'xattrs', 'payloadOffset', 'storedBytes'] as const),
    ],
  },
);

const FIELDS: readonly (keyof TarEntry)[] = [
  ...(['kind', 'typeFlag', 'name', 'linkName', 'mode', 'uid', 'gid', 'userName', 'groupName', 'size', 'mtime', 'atime'] as const),
  ...(['ctime', 'deviceMajor', 'deviceMinor', 'xattrs', 'sparse', 'payloadOffset', 'storedBytes'] as const),
];

function pack(entries: readonly TarEntry[]): PackedEntries {
  const packer = new EntryPacker();
  for (const entry of entries) packer.add(entry);
  const packed = packer.finish();
  return structuredClone(packed, { transfer: pageBuffersOf(packed) });
}

const plain = (entry: TarEntry) => Object.fromEntries(FIELDS.map((field) => [field, entry[field]]));

describe('packed entries', () => {
  it('are the same entries on the other side', () => {
    fc.assert(
      fc.property(fc.array(anyEntry, { maxLength: 12 }), (entries) => {
        const list = openEntries(pack(entries));
        expect(list).toHaveLength(entries.length);
        expect([...list].map(plain)).toEqual(entries.map(plain));
      }),
    );
  });

  it('can be read again', () => {
    const list = openEntries(pack(fc.sample(anyEntry, 3)));
    expect([...list].map(plain)).toEqual([...list].map(plain));
  });

  it('are moved: nothing of the names stays behind', () => {
    const packer = new EntryPacker();
    for (const entry of fc.sample(anyEntry, 2)) packer.add(entry);
    const packed = packer.finish();
    structuredClone(packed, { transfer: pageBuffersOf(packed) });
    expect(packed.pages.map(({ byteLength }) => byteLength)).toEqual(packed.pages.map(() => 0));
  });
});
