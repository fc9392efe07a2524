/** Hostile tars at the scanner; row numbers are those of RELIABILITY §1.3. */
import { describe, expect, it } from 'vitest';
import { DEFAULT_TAR_LIMITS } from '../../src/lib/tar/scan-result.ts';
import { TarScanner } from '../../src/lib/tar/scanner.ts';
import { featureTars, joinParts } from '../tar/feature-tars.ts';
import { refusalOf } from '../tar/refusal.ts';
import { scan } from '../tar/scan.ts';
import { base256, headerBlock, longMember, MAGIC, member, paxMember, sparseExtension } from '../tar/tar-bytes.ts';

const MIB = 1 << 20;
const TOO_LONG = ['LIMIT_HEADER', 'header-too-long'];

/** Feeds pieces until the scanner refuses; gives the refusal, the bytes it had seen and the memory it took. */
function feedUntilRefused(pieces: Iterable<Uint8Array>): { refusal: unknown; fedBytes: number; rssBytes: number } {
  const scanner = new TarScanner({ onEntry: () => undefined });
  const before = process.memoryUsage.rss();
  let fedBytes = 0;
  let most = before;
  for (const piece of pieces) {
    fedBytes += piece.length;
    const refusal = refusalOf(() => scanner.write(piece));
    most = Math.max(most, process.memoryUsage.rss());
    if (refusal !== undefined) return { refusal, fedBytes, rssBytes: most - before };
  }
  return { refusal: undefined, fedBytes, rssBytes: most - before };
}

function* endless(first: Uint8Array, then: Uint8Array): Generator<Uint8Array> {
  yield first;
  for (let count = 0; count < 20_000_000; count++) yield then;
}

describe('row 4: parser differentials', () => {
  it('an embedded tar stays content, whichever of the two sizes lies', () => {
    const names = featureTars()
      .filter(({ name }) => name.startsWith('embedded tar'))
      .map(({ name, parts }) => [name, scan(joinParts(parts)).entries.map((entry) => entry.name)]);
    expect(Object.fromEntries(names)).toEqual({
      'embedded tar': ['outer.tar', 'after'],
      'embedded tar, pax size 0': ['outer.tar', 'inner/evil', 'inner/pax'],
      'embedded tar, ustar size 0': ['outer.tar', 'after'],
    });
  });

  it('a PAX size is not applied to the GNU long name that follows it (CVE-2026-53655)', () => {
    const tar = joinParts([
      paxMember([['size', '3']]),
      longMember('L', 'the-real-name'),
      member({ name: 'n', size: 0 }, 'abc'),
      member({ name: 'z' }),
    ]);
    expect(scan(tar).entries.map(({ name, size }) => [name, size])).toEqual([
      ['the-real-name', 3],
      ['z', 0],
    ]);
  });

  it('the second of two PAX headers replaces the first', () => {
    const tar = joinParts([
      paxMember([
        ['path', 'first'],
        ['uid', '7'],
      ]),
      paxMember([['gid', '8']]),
      member({ name: 'own' }),
    ]);
    expect(scan(tar).entries).toMatchObject([{ name: 'own', uid: 0, gid: 8 }]);
  });
});

describe('row 5: header bombs', () => {
  it.each([
    ['a PAX record of 1 GiB', 'x', 2n ** 30n],
    ['a global PAX header of 1 GiB', 'g', 2n ** 30n],
    ['a long name claiming 8 GiB', 'L', 2n ** 33n],
    ['a long link of 1 MiB and a byte', 'K', BigInt(MIB + 1)],
    ['a long name claiming 2^60', 'L', 2n ** 60n],
  ])('%s is refused from its header block alone', (_, type, size) => {
    const bomb = headerBlock({ name: 'bomb', type, size: base256(size, 12), magic: MAGIC.gnu });
    const { refusal, fedBytes } = feedUntilRefused(endless(bomb, Buffer.alloc(MIB, 0x61)));
    expect(refusal).toEqual(TOO_LONG);
    expect(fedBytes).toBe(512);
  });

  it('10^7 sparse regions in a PAX 1.0 map are refused from their count', () => {
    const records = paxMember([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.realsize', '8000000000'],
    ]);
    const map = Buffer.from(`10000000\n${'0\n1\n'.repeat(200)}`.slice(0, 512));
    const bomb = Buffer.concat([records, headerBlock({ name: 's', size: base256(2n ** 32n, 12) }), map]);
    const { refusal, fedBytes } = feedUntilRefused(endless(bomb, map));
    expect(refusal).toEqual(TOO_LONG);
    expect(fedBytes).toBe(bomb.length);
  });

  it('a PAX 1.0 map without an end is refused after 1 MiB', () => {
    const records = paxMember([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.realsize', '8000000000'],
    ]);
    const bomb = Buffer.concat([records, headerBlock({ name: 's', size: base256(2n ** 32n, 12) })]);
    const { refusal, fedBytes, rssBytes } = feedUntilRefused(endless(bomb, Buffer.alloc(512, 0x30)));
    expect(refusal).toEqual(TOO_LONG);
    expect(fedBytes).toBeLessThanOrEqual(MIB + 4096);
    expect(rssBytes).toBeLessThan(32 * MIB);
  });

  it('an old GNU map without an end is refused after 1 MiB', () => {
    const bomb = headerBlock({
      name: 's',
      type: 'S',
      magic: MAGIC.gnu,
      gnuRealSize: base256(2n ** 40n, 12),
      gnuExtended: '\x01',
    });
    const regions = Array.from({ length: 21 }, (_, index) => [index, 1] as const);
    const { refusal, fedBytes, rssBytes } = feedUntilRefused(endless(bomb, sparseExtension(regions, true)));
    expect(refusal).toEqual(TOO_LONG);
    expect(fedBytes).toBeLessThanOrEqual(MIB + 1024);
    expect(rssBytes).toBeLessThan(32 * MIB);
  });

  it('a row of 600 long names of 1 MiB without a member does not pile up', () => {
    const name = longMember('L', 'n'.repeat(MIB - 1));
    const pieces = Array.from({ length: 600 }, () => name);
    const { refusal, rssBytes } = feedUntilRefused(pieces);
    expect(refusal).toBeUndefined();
    expect(rssBytes).toBeLessThan(256 * MIB);
  });
});

describe('row 6: entry bombs', () => {
  it('more empty files than the limit are refused', () => {
    const files = Buffer.concat(Array.from({ length: 2048 }, (_, index) => member({ name: `f${index}` })));
    const limits = { maxEntries: 100_000 };
    const scanner = new TarScanner({ onEntry: () => undefined, limits });
    const writeAll = () => {
      for (let count = 0; count < 60; count++) scanner.write(files);
    };
    expect(refusalOf(writeAll)).toEqual(['LIMIT_ENTRIES', 'too-many-entries']);
    expect(DEFAULT_TAR_LIMITS).toEqual({ maxEntries: 5_000_000, maxHeaderBytes: MIB });
  });

  it('as many as the limit are not', () => {
    const tar = joinParts([member({ name: 'a' }), member({ name: 'b' })]);
    expect(scan(tar, [], { maxEntries: 2 }).entryCount).toBe(2);
    expect(refusalOf(() => scan(tar, [], { maxEntries: 1 }))).toEqual(['LIMIT_ENTRIES', 'too-many-entries']);
  });

  it('100,000 entries of one path are all listed, in order', () => {
    const batch = Buffer.concat(Array.from({ length: 1000 }, (_, index) => member({ name: 'same', uid: index })));
    const uids: number[] = [];
    const scanner = new TarScanner({ onEntry: (entry) => uids.push(entry.uid) });
    for (let count = 0; count < 100; count++) scanner.write(batch);
    expect(scanner.finish().entryCount).toBe(100_000);
    expect(uids.every((uid, index) => uid === index % 1000)).toBe(true);
  });

  it('a name of 64 KiB is kept whole', () => {
    const name = 'd/'.repeat(32 * 1024);
    expect(scan(joinParts([longMember('L', name), member({ name: 'x' })]), [1000]).entries[0]?.name).toBe(name);
  });
});

describe('row 26: integer edges', () => {
  it.each([
    ['2^63-1', 2n ** 63n - 1n, 'unsafe-number'],
    ['2^53+1', 2n ** 53n + 1n, 'unsafe-number'],
    ['2^64', 2n ** 64n, 'number'],
    ['-1', -1n, 'negative-size'],
    ['-2^63', -(2n ** 63n), 'negative-size'],
  ])('a size of %s is refused, in the header and by PAX', (_, size, reason) => {
    const inHeader = headerBlock({ name: 'n', size: base256(size, 12), magic: MAGIC.gnu });
    const inPax = Buffer.concat([paxMember([['size', size.toString()]]), member({ name: 'n' }, 'abc')]);
    expect(refusalOf(() => scan(inHeader))).toEqual(['TAR_INVALID', reason]);
    expect(refusalOf(() => scan(inPax))).toEqual(['TAR_INVALID', reason]);
  });

  it('a size of 2^53-1 is listed without wrapping, and then the tar is cut', () => {
    const sizes: number[] = [];
    const scanner = new TarScanner({ onEntry: ({ size, payloadOffset }) => sizes.push(size, payloadOffset) });
    scanner.write(headerBlock({ name: 'n', size: base256(2n ** 53n - 1n, 12), magic: MAGIC.gnu }));
    scanner.write(Buffer.alloc(4096, 1));
    expect(sizes).toEqual([Number.MAX_SAFE_INTEGER, 512]);
    expect(refusalOf(() => scanner.finish())).toEqual(['TAR_INVALID', 'cut']);
  });

  it('sparse regions whose end overflows are refused', () => {
    const map = (text: string) =>
      [
        ['GNU.sparse.size', `${Number.MAX_SAFE_INTEGER}`],
        ['GNU.sparse.numblocks', '1'],
        ['GNU.sparse.map', text],
      ] as const;
    for (const text of ['9007199254740991,1', '9007199254740990,9007199254740990', '9223372036854775807,9223372036854775807']) {
      expect(refusalOf(() => scan(joinParts([paxMember(map(text)), member({ name: 'n' }, 'a')])))).toEqual([
        'TAR_INVALID',
        'sparse-map',
      ]);
    }
  });
});
