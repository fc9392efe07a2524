import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textOf } from '../../src/lib/byte-string.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import { TarScanner } from '../../src/lib/tar/scanner.ts';
import { featureTars, joinParts } from './feature-tars.ts';
import { refusalOf } from './refusal.ts';
import { scan } from './scan.ts';
import { base256, END, headerBlock, longMember, MAGIC, member, paxMember } from './tar-bytes.ts';

function single(tar: Uint8Array): TarEntry {
  const [entry, ...others] = scan(tar).entries;
  if (entry === undefined || others.length > 0) throw new Error('expected one entry');
  return entry;
}

describe('the tar scanner', () => {
  it('gives the same entries for any chunking', () => {
    const tars = featureTars().map(({ parts }) => joinParts(parts));
    const pieces = fc.array(fc.integer({ min: 1, max: 1500 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...tars), pieces, (tar, pieceBytes) => {
        expect(scan(tar, pieceBytes)).toEqual(scan(tar));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps no view of what was written', () => {
    const tar = joinParts([
      paxMember([
        ['path', 'a/name/longer/than/thirteen'],
        ['SCHILY.xattr.user.a', 'value'],
      ]),
      member({ name: 'x' }, 'abc'),
    ]);
    const entries: TarEntry[] = [];
    const scanner = new TarScanner({ onEntry: (entry) => entries.push(entry) });
    const slot = Buffer.alloc(700);
    for (let at = 0; at < tar.length; at += slot.length) {
      const length = tar.copy(slot, 0, at);
      scanner.write(slot.subarray(0, length));
      slot.fill(0xee);
    }
    expect(scanner.finish().entryCount).toBe(1);
    expect(entries).toEqual(scan(tar).entries);
  });

  it('reads from shared memory', () => {
    const tar = joinParts([longMember('L', 'shared/name'), member({ name: 'x' }, 'abc')]);
    const shared = new Uint8Array(new SharedArrayBuffer(tar.length));
    shared.set(tar);
    expect(single(shared)).toEqual(single(tar));
  });

  it('says where each payload lies', () => {
    const tar = joinParts([paxMember([['comment', 'x']]), member({ name: 'a' }, 'first'), member({ name: 'b' }, 'second')]);
    const payloads = scan(tar).entries.map((entry) =>
      tar.toString('latin1', entry.payloadOffset, entry.payloadOffset + entry.storedBytes),
    );
    expect(payloads).toEqual(['first', 'second']);
  });

  it('puts the payload of a PAX 1.0 sparse file behind its map', () => {
    const source = featureTars().find(({ name }) => name === 'sparse 1.0');
    const tar = joinParts(source?.parts ?? []);
    const [entry] = scan(tar).entries;
    expect(entry).toMatchObject({
      name: 'real',
      size: 8192,
      storedBytes: 700,
      sparse: [
        { offset: 0, length: 512 },
        { offset: 4096, length: 188 },
      ],
    });
    expect(tar[(entry?.payloadOffset ?? 0) - 1]).toBe(0);
    expect(tar.toString('latin1', entry?.payloadOffset, (entry?.payloadOffset ?? 0) + 700)).toBe('x'.repeat(700));
  });

  it('keeps xattr values and names that are not UTF-8', () => {
    const tar = joinParts([paxMember([['SCHILY.xattr.security.capability', '\x01\0\xff\n=']]), member({ name: '\xff\xfe' })]);
    expect(single(tar).name).toBe('\xff\xfe');
    expect([...single(tar).xattrs]).toEqual([['security.capability', '\x01\0\xff\n=']]);
  });

  it('reads UTF-8 names of PAX as bytes that decode', () => {
    const name = Buffer.from('größe/日本').toString('latin1');
    expect(textOf(single(joinParts([paxMember([['path', name]]), member({ name: 'x' })])).name)).toBe('größe/日本');
  });

  it('takes an old file with a trailing slash for a directory, but not a ustar one', () => {
    expect(single(joinParts([member({ name: 'd/', type: '\0', size: 9 })]))).toMatchObject({
      kind: 'directory',
      typeFlag: 0,
      storedBytes: 0,
    });
    expect(single(joinParts([member({ name: 'f/', type: '0' })]))).toMatchObject({ kind: 'file' });
  });

  it('gives kinds without content the size 0, whatever they claim', () => {
    const tar = joinParts([member({ name: 'l', type: '2', link: 't', size: 0o7777 }), member({ name: 'after' })]);
    expect(scan(tar).entries.map(({ kind, size, storedBytes }) => [kind, size, storedBytes])).toEqual([
      ['symlink', 0, 0],
      ['file', 0, 0],
    ]);
  });

  it('lists no unknown types and no global headers, but counts them', () => {
    const tar = joinParts([
      member({ name: 'z', type: 'Z' }, 'zz'),
      paxMember([['path', 'g']], 'g'),
      member({ name: 'v', type: 'V' }),
      member({ name: 'f' }),
    ]);
    const result = scan(tar);
    expect(result.entries.map(({ name }) => name)).toEqual(['f']);
    expect([...result.ignored]).toEqual([
      [0x5a, 1],
      [0x56, 1],
    ]);
    expect(result).toMatchObject({ entryCount: 1, globalHeaderCount: 1, hasEndMarker: true, uncompressedBytes: tar.length });
  });

  it('ignores all behind the end marker, and tells a tar without one', () => {
    const tar = Buffer.concat([member({ name: 'a' }), END, Buffer.alloc(3000, 0xaa), member({ name: 'b' })]);
    expect(scan(tar)).toMatchObject({ entryCount: 1, hasEndMarker: true, uncompressedBytes: tar.length });
    expect(scan(member({ name: 'a' }))).toMatchObject({ entryCount: 1, hasEndMarker: false });
    expect(scan(Buffer.alloc(0))).toMatchObject({ entryCount: 0, hasEndMarker: false });
  });

  it('names the member that is refused, and throws the same for ever after', () => {
    const bad = headerBlock({ name: 'bad', checksum: '0' });
    const scanner = new TarScanner({ onEntry: () => undefined });
    scanner.write(member({ name: 'good' }, 'abc'));
    const expected = { code: 'TAR_INVALID', details: { reason: 'checksum', uncompressedOffset: 1024 } };
    expect(() => scanner.write(bad)).toThrow(expect.objectContaining(expected));
    expect(() => scanner.write(END)).toThrow(expect.objectContaining(expected));
    expect(() => scanner.finish()).toThrow(expect.objectContaining(expected));
  });

  it('refuses a number beyond 2^53 only where the entry uses it', () => {
    const huge = { name: 'n', uid: base256(2n ** 53n, 8), magic: MAGIC.gnu };
    expect(refusalOf(() => scan(joinParts([member(huge)])))).toEqual(['TAR_INVALID', 'unsafe-number']);
    expect(single(joinParts([paxMember([['uid', '7']]), member(huge)])).uid).toBe(7);
    expect(single(joinParts([member({ ...huge, uid: base256(2n ** 53n - 1n, 8) })])).uid).toBe(Number.MAX_SAFE_INTEGER);
  });

  it('passes on what onEntry throws', () => {
    const scanner = new TarScanner({
      onEntry: () => {
        throw new RangeError('stop');
      },
    });
    expect(() => scanner.write(member({ name: 'a' }))).toThrow(new RangeError('stop'));
  });
});
