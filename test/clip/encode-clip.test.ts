import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../src/lib/byte-string.ts';
import { ByteWriter } from '../../src/lib/clip/byte-writer.ts';
import type { ClipFile, ClipNode } from '../../src/lib/clip/clip-file.ts';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import type { GobCodec } from '../../src/lib/clip/gob/gob-codec.ts';
import { nodeList, nodeListWriter } from '../../src/lib/clip/node-codec.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { clipFile, clipNode } from './clip-arbitrary.ts';
import { emptyStorageInfo, fileNode, smallClip } from './small-clip.ts';

describe('encodeClip', () => {
  it('writes what decodeClip reads back, whatever the file says', () => {
    fc.assert(
      fc.property(clipFile, (file) => {
        expect(decodeClip(encodeClip(file))).toEqual(file);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same bytes for maps filled in another order', () => {
    fc.assert(
      fc.property(clipFile, (file) => {
        expect(Buffer.compare(encodeClip(reversedMaps(file) as ClipFile), encodeClip(file))).toBe(0);
      }),
      { numRuns: 100 },
    );
  });

  it('writes nodes field by field as their codec does', () => {
    const bytesBy = ({ write }: Pick<GobCodec<readonly ClipNode[]>, 'write'>, nodes: readonly ClipNode[]): Buffer => {
      const out = new ByteWriter();
      write(out, nodes);
      return Buffer.from(out.toBytes());
    };
    fc.assert(
      fc.property(fc.array(clipNode), (nodes) => {
        expect(bytesBy(nodeListWriter, nodes)).toEqual(bytesBy(nodeList, nodes));
      }),
      { numRuns: 300 },
    );
  });

  it('keeps each node of an index of many pieces of 64 KiB', () => {
    const [node] = fc.sample(clipNode, { seed: 7, numRuns: 1 });
    const nodes = Array.from({ length: 5000 }, (_, index) => ({ ...(node as ClipNode), path: `/${index}` as ByteString }));
    const file = { nodes, storageInfo: emptyStorageInfo() };
    expect(decodeClip(encodeClip(file))).toEqual(file);
  });

  it('writes a text longer than a piece', () => {
    const long = '✓'.repeat(100_000);
    const storageInfo = { ...emptyStorageInfo(), repository: long };
    expect(decodeClip(encodeClip({ nodes: [], storageInfo })).storageInfo.repository).toBe(long);
  });

  it('writes a file of nothing as Go does: an empty list, and structs without fields', () => {
    const file = { nodes: [], storageInfo: emptyStorageInfo() };
    expect(decodeClip(encodeClip(file))).toEqual(file);
  });

  it('starts with the header that Go CLIP expects, index and storage info behind it', () => {
    const bytes = Buffer.from(encodeClip(smallClip()));
    expect(bytes.toString('latin1', 0, 10)).toBe('\x89CLIP\r\n\x1a\n\x01');
    expect(bytes.readBigInt64LE(18)).toBe(54n);
    expect(bytes.readBigInt64LE(34)).toBe(54n + bytes.readBigInt64LE(10));
    expect(bytes.toString('latin1', 42, 54)).toBe('oci\0\0\0\0\0\0\0\0\0');
  });

  it.each([
    ['a mode of 33 bits', { mode: 2 ** 32 }],
    ['a negative uid', { uid: -1 }],
    ['a fraction', { gid: 1.5 }],
    ['an inode of 65 bits', { ino: 2n ** 64n }],
    ['a negative size', { size: -1n }],
  ])('refuses to write %s, which Go would not read', (_, attr) => {
    const file = smallClip();
    const node = fileNode('/odd');
    const nodes = [...file.nodes, { ...node, attr: { ...node.attr, ...attr } }];
    expect(() => encodeClip({ ...file, nodes })).toThrow(ClipctlError);
  });

  it('refuses more nodes than it would read again', () => {
    const nodes = new Array<ClipNode>(5_000_001).fill(fileNode('/a'));
    expect(() => encodeClip({ nodes, storageInfo: emptyStorageInfo() })).toThrow(
      expect.objectContaining({ code: 'LIMIT_ENTRIES' }),
    );
  });

  it('takes a tree of 100,000 nodes in its stride', { timeout: 20_000 }, () => {
    const nodes = Array.from({ length: 100_000 }, (_, index) => fileNode(`/usr/share/some/directory/file-${index}.txt`));
    const read = decodeClip(encodeClip({ ...smallClip(), nodes }));
    expect(read.nodes.length).toBe(100_000);
    expect(read.nodes.at(-1)).toEqual(nodes.at(-1));
  });
});

/** The same value with every map rebuilt backwards. */
function reversedMaps(value: unknown): unknown {
  if (value instanceof Map) return new Map([...value].reverse().map(([key, field]) => [key, reversedMaps(field)]));
  if (Array.isArray(value)) return value.map(reversedMaps);
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value;
  return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, reversedMaps(field)]));
}
