/** RELIABILITY §1.3 row 29: `.clip` files that are well-formed and wrong. */
import { describe, expect, it } from 'vitest';
import type { ByteString } from '../../src/lib/byte-string.ts';
import type { ClipFile, ClipNode, ClipStorageInfo, ExtensionEntry, ExtensionLayer } from '../../src/lib/clip/clip-file.ts';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { describeProblem, validateClip } from '../../src/lib/clip/validate-clip.ts';
import { goFixtures } from '../clip/fixtures.ts';
import { DIFF_ID_HEX, dirNode, fileNode, LAYER, linkNode, smallClip } from '../clip/small-clip.ts';

const OTHER_LAYER = `sha256:${'e5'.repeat(32)}`;
const file = smallClip();

/** Codes with their severity, for the file as it is after a round trip through bytes. */
function problemsOf(changed: ClipFile): string[] {
  return validateClip(decodeClip(encodeClip(changed))).map(({ code, severity }) => `${severity} ${code}`);
}

function withNodes(...nodes: readonly ClipNode[]): ClipFile {
  return { ...file, nodes: [dirNode('/'), ...nodes] };
}

function withStorage(changes: Partial<ClipStorageInfo>): ClipFile {
  return { ...file, storageInfo: { ...file.storageInfo, ...changes } };
}

function withLayerFacts(changes: Partial<ExtensionLayer>): ClipFile {
  const layers = file.extension.layers.map((layer) => ({ ...layer, ...changes }));
  return { ...file, extension: { ...file.extension, layers } };
}

function withEntries(...entries: readonly (Omit<Partial<ExtensionEntry>, 'path'> & { path: string })[]): ClipFile {
  const full = entries.map((entry) => ({ xattrs: new Map<ByteString, ByteString>(), ...entry, path: entry.path as ByteString }));
  return { ...file, extension: { ...file.extension, entries: full } };
}

/**
 * FORMATS.md §1 "What we write", 6: in Go CLIP a directory replaced by a file keeps its children, and a sparse file
 * has a size and no content.
 */
const OF_ODD_IMAGE = ['PARENT_NOT_DIRECTORY', 'CONTENT_MISSING'];
const KNOWN_OF_GO = new Map([
  ['odd-gzip', OF_ODD_IMAGE],
  ['odd-members', OF_ODD_IMAGE],
]);

describe('a sound file', () => {
  it('has no problems', () => {
    expect(problemsOf(file)).toEqual([]);
  });

  it('may have hard links, which share an inode and a range', () => {
    const original = fileNode('/a');
    expect(problemsOf(withNodes(original, { ...original, path: '/b' as ByteString }))).toEqual([]);
  });

  it('may have empty files anywhere', () => {
    expect(
      problemsOf(withNodes(fileNode('/a', { offset: 512, length: 0 }), fileNode('/b', { offset: 512, length: 10 }))),
    ).toEqual([]);
  });
});

describe('paths', () => {
  it.each([
    ['/../etc/passwd', 'PATH_TRAVERSAL'],
    ['/a/..', 'PATH_TRAVERSAL'],
    ['../a', 'PATH_TRAVERSAL'],
    ['/a\0b', 'PATH_NUL'],
    ['a', 'PATH_NOT_ABSOLUTE'],
    ['', 'PATH_NOT_ABSOLUTE'],
    ['./a', 'PATH_NOT_ABSOLUTE'],
    ['//a', 'PATH_NOT_CLEAN'],
    ['/a/', 'PATH_NOT_CLEAN'],
    ['/./a', 'PATH_NOT_CLEAN'],
  ])('%j is %s', (path, code) => {
    expect(problemsOf(withNodes(fileNode(path)))).toContain(`error ${code}`);
  });

  it('may have dots, backslashes and bytes that are no UTF-8', () => {
    expect(
      problemsOf(withNodes(fileNode('/...'), fileNode('/..\\x', { offset: 1024 }), fileNode('/\xff\xfe', { offset: 2048 }))),
    ).toEqual([]);
  });

  it('that come twice are found, side by side or apart', () => {
    expect(problemsOf(withNodes(dirNode('/a'), dirNode('/a')))).toEqual(['error PATH_DUPLICATE']);
    expect(problemsOf(withNodes(dirNode('/a'), dirNode('/b'), dirNode('/a')))).toContain('error PATH_DUPLICATE');
  });

  it('out of order are found', () => {
    expect(problemsOf(withNodes(dirNode('/b'), dirNode('/a')))).toEqual(['error NODES_NOT_SORTED']);
    expect(problemsOf(withNodes(dirNode('/a'), fileNode('/a-b'), fileNode('/a/b', { offset: 1024 })))).toEqual([]);
  });

  it('below a file or a symlink are found, and those without a parent', () => {
    expect(problemsOf(withNodes(fileNode('/a'), fileNode('/a/b', { offset: 1024 })))).toEqual(['error PARENT_NOT_DIRECTORY']);
    expect(problemsOf(withNodes(linkNode('/a'), fileNode('/a/b')))).toEqual(['error PARENT_NOT_DIRECTORY']);
    expect(problemsOf(withNodes(fileNode('/a/b')))).toEqual(['warning PARENT_MISSING']);
  });

  it('without a root are found', () => {
    expect(problemsOf({ ...file, nodes: [] })).toContain('error ROOT_MISSING');
    expect(problemsOf({ ...file, nodes: [fileNode('/')] })).toContain('error ROOT_MISSING');
  });

  it('of an unknown node type or with a mode of another one are told', () => {
    expect(problemsOf(withNodes({ ...fileNode('/a'), nodeType: 'constructor' }))).toEqual(['warning NODE_TYPE_UNKNOWN']);
    expect(problemsOf(withNodes({ ...linkNode('/a'), nodeType: 'dir' }))).toEqual(['warning NODE_TYPE_MODE_MISMATCH']);
  });
});

describe('references', () => {
  const last = file.extension.layers[0]?.uncompressedBytes ?? 0;

  it('may end where their layer ends, and not behind', () => {
    expect(problemsOf(withNodes(fileNode('/a', { offset: last - 10 })))).toEqual([]);
    expect(problemsOf(withNodes(fileNode('/a', { offset: last - 9 })))).toEqual(['error REFERENCE_BEYOND_LAYER']);
  });

  it('behind the end of a layer go unseen in a file of Go CLIP, which does not say how long its layers are', () => {
    const { nodes, storageInfo } = withNodes(fileNode('/a', { offset: last }));
    expect(problemsOf({ nodes, storageInfo })).toEqual([]);
  });

  it('with a negative offset or length, or one that overflows, are found', () => {
    expect(problemsOf(withNodes(fileNode('/a', { offset: -1 })))).toEqual(['error REFERENCE_INVALID']);
    const node = fileNode('/a');
    expect(problemsOf(withNodes({ ...node, remote: { layerDigest: LAYER, uncompressedOffset: 0, length: -1 } }))).toContain(
      'error REFERENCE_INVALID',
    );
    const far = { layerDigest: LAYER, uncompressedOffset: Number.MAX_SAFE_INTEGER, length: 10 };
    expect(problemsOf(withNodes({ ...node, remote: far }))).toEqual(['error REFERENCE_INVALID']);
  });

  it('into a layer that the image does not have are found', () => {
    const remote = { layerDigest: OTHER_LAYER, uncompressedOffset: 0, length: 10 };
    expect(problemsOf(withNodes({ ...fileNode('/a'), remote }))).toEqual(['error LAYER_UNKNOWN']);
  });

  it('of another length than the file, and files with no word on their content, are found', () => {
    const node = fileNode('/a');
    expect(problemsOf(withNodes({ ...node, attr: { ...node.attr, size: 11n } }))).toEqual(['error REFERENCE_SIZE_MISMATCH']);
    const { remote, ...bare } = node;
    expect(remote).toBeDefined();
    expect(problemsOf(withNodes(bare))).toEqual(['error CONTENT_MISSING']);
  });

  it('that overlap are told, unless they are one file', () => {
    const overlap = ['warning REFERENCES_OVERLAP'];
    expect(problemsOf(withNodes(fileNode('/a', { offset: 512 }), fileNode('/b', { offset: 512 })))).toEqual(overlap);
    expect(problemsOf(withNodes(fileNode('/a', { offset: 512 }), fileNode('/b', { offset: 521 })))).toEqual(overlap);
    expect(problemsOf(withNodes(fileNode('/a', { offset: 512 }), fileNode('/b', { offset: 522 })))).toEqual([]);
  });

  it('inside of a long one are told even when a short one lies between', () => {
    const nodes = [fileNode('/a', { offset: 0, length: 5000 }), fileNode('/b', { offset: 10 }), fileNode('/c', { offset: 4000 })];
    expect(problemsOf(withNodes(...nodes))).toEqual(['warning REFERENCES_OVERLAP', 'warning REFERENCES_OVERLAP']);
  });
});

describe('layers', () => {
  it('with a digest or a hash that is none are found', () => {
    const layers = [LAYER, '../../etc/passwd'];
    const decompressedHashByLayer = new Map([...layers.map((layer) => [layer, DIFF_ID_HEX] as const)]);
    expect(problemsOf(withStorage({ layers, decompressedHashByLayer }))).toEqual(['error LAYER_DIGEST_INVALID']);
    const wrong = new Map([[LAYER, '../../etc/passwd']]);
    expect(problemsOf(withStorage({ decompressedHashByLayer: wrong }))).toContain('error LAYER_HASH_INVALID');
    expect(problemsOf(withStorage({ decompressedHashByLayer: new Map() }))).toEqual(['error LAYER_HASH_MISSING']);
  });

  it('may be in an image twice', () => {
    expect(problemsOf(withStorage({ layers: [LAYER, LAYER] }))).toEqual([]);
  });

  it('with checkpoints that are no offsets or go back are found', () => {
    const at = (compressedOffset: number, uncompressedOffset: number) => ({ compressedOffset, uncompressedOffset });
    for (const checkpoints of [[at(-1, 0)], [at(0, 0), at(5, 10), at(6, 9)]]) {
      expect(problemsOf(withStorage({ gzipIndexByLayer: new Map([[LAYER, checkpoints]]) }))).toEqual([
        'error CHECKPOINT_INVALID',
      ]);
    }
    const frames = [{ ...at(0, 0), compressedBytes: -1, uncompressedBytes: 5 }];
    expect(problemsOf(withStorage({ zstdIndexByLayer: new Map([[LAYER, frames]]) }))).toEqual(['error CHECKPOINT_INVALID']);
  });

  it('that only have facts are told', () => {
    expect(problemsOf(withStorage({ gzipIndexByLayer: new Map([[OTHER_LAYER, []]]) }))).toEqual(['warning LAYER_UNKNOWN']);
  });
});

describe('the extension', () => {
  it('with another diffID than the storage info is found', () => {
    expect(problemsOf(withLayerFacts({ diffId: OTHER_LAYER }))).toEqual(['error EXTENSION_HASH_MISMATCH']);
  });

  it('with a layer that the image does not have is found', () => {
    expect(problemsOf(withLayerFacts({ digest: OTHER_LAYER }))).toContain('error LAYER_UNKNOWN');
  });

  it('with too few content digests, or a checkpoint behind the end, is found', () => {
    expect(problemsOf(withLayerFacts({ contentDigests: new Uint8Array(64) }))).toEqual(['error EXTENSION_DIGEST_COUNT']);
    expect(problemsOf(withLayerFacts({ compressedBytes: 299 }))).toEqual(['error CHECKPOINT_BEYOND_LAYER']);
  });

  it('with a path twice, or a hard link to nothing, is found', () => {
    expect(problemsOf(withEntries({ path: '/dir/a' }, { path: '/dir/a' }))).toEqual(['error PATH_DUPLICATE']);
    expect(problemsOf(withEntries({ path: '/dir/a', hardLinkTo: '/gone' as ByteString }))).toEqual([
      'warning EXTENSION_HARD_LINK_MISSING',
    ]);
  });

  it('holds the content of sparse files, whose map must add up', () => {
    const { remote, ...node } = fileNode('/sparse', { length: 100_000 });
    expect(remote).toBeDefined();
    const regions = [
      { offset: 0, length: 10 },
      { offset: 90_000, length: 30 },
    ];
    const sparse = (length: number, uncompressedOffset = 512) =>
      withEntries({ path: '/sparse', sparse: { regions, remote: { layerDigest: LAYER, uncompressedOffset, length } } });
    const nodes = [dirNode('/'), node];
    expect(problemsOf({ ...sparse(40), nodes })).toEqual([]);
    expect(problemsOf({ ...sparse(41), nodes })).toEqual(['error EXTENSION_SPARSE_INVALID']);
    expect(problemsOf({ ...sparse(40, 10_239), nodes })).toEqual(['error EXTENSION_SPARSE_INVALID']);
  });
});

describe('the list of problems', () => {
  it('ends after a thousand, with their number and the worst severity of the rest', () => {
    const nodes = Array.from({ length: 3000 }, (_, index) => fileNode(`/no/parent-${10_000 + index}`, { offset: 0, length: 0 }));
    const problems = validateClip(withNodes(...nodes, dirNode('/no/parent-1')));
    expect(problems).toHaveLength(1001);
    expect(problems.at(-1)).toMatchObject({ code: 'PROBLEMS_OMITTED' });
    expect(problems.some(({ severity }) => severity === 'error')).toBe(true);
  });

  it('names code, path and what is wrong on one line', () => {
    const [problem] = validateClip(withNodes(fileNode('/a\0\n\x1b')));
    expect(problem && describeProblem(problem)).toBe('PATH_NUL: "/a\\u0000\\n\\u001b": a NUL byte in a path');
  });

  it('of what Go CLIP wrote has the errors that are known of it, and no others', () => {
    for (const { name, clip } of goFixtures()) {
      const errors = validateClip(decodeClip(clip)).filter(({ severity }) => severity === 'error');
      expect([name, [...new Set(errors.map(({ code }) => code))]]).toEqual([name, KNOWN_OF_GO.get(name) ?? []]);
    }
  });
});
