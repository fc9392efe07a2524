/** RELIABILITY §1.3 row 20: layer indexes in a cache of a group, written by a member who means harm. The sha256 in them is right. */
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ByteString } from '../../src/lib/byte-string.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import { readKnownFacts, writeKnownFacts } from '../../src/lib/pipeline/known-layer-format.ts';
import { keepKnownLayer, readKnownLayer } from '../../src/lib/pipeline/known-layers.ts';
import type { LayerFacts } from '../../src/lib/pipeline/layer-job.ts';
import { openEntries } from '../../src/lib/tar/packed-entries.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';

const digest = `sha256:${'a'.repeat(64)}` as Digest;
const diffId = `sha256:${'b'.repeat(64)}` as Digest;
const text = (value: string): ByteString => value as ByteString;
const plain = {
  kind: 'file',
  typeFlag: 48,
  name: text('etc/pass\xffwd'),
  linkName: text(''),
  mode: 0o644,
  uid: 1,
  gid: 2,
  userName: text('root'),
  groupName: text('wheel'),
  size: 100,
  mtime: { seconds: -5, nanoseconds: 7 },
  deviceMajor: 0,
  deviceMinor: 0,
  xattrs: new Map<ByteString, ByteString>(),
  payloadOffset: 512,
  storedBytes: 100,
} satisfies TarEntry;
const rare = {
  ...plain,
  kind: 'character-device',
  atime: { seconds: 9, nanoseconds: 1 },
  deviceMajor: 5,
  xattrs: new Map([[text('user.a'), text('\0\xff')]]),
  sparse: [{ offset: 0, length: 10 }],
} satisfies TarEntry;
const facts: LayerFacts = {
  verifiedBy: 'digest+diffId',
  resumedBytes: 0,
  digest,
  diffId,
  compression: 'gzip',
  decoder: 'kernel',
  compressedBytes: 900,
  uncompressedBytes: 2048,
  checkpoints: [
    { compressedOffset: 0, bit: 0, uncompressedOffset: 0, window: new Uint8Array(0) },
    { compressedOffset: 400, bit: 3, uncompressedOffset: 1024, window: Uint8Array.of(0, 1, 2, 3) },
  ],
  zstdFrames: [],
  contentDigests: new Uint8Array(32).fill(5),
  entries: [plain, rare],
};
const bytes = writeKnownFacts(facts, 4096);

const FIELDS = ['kind', 'typeFlag', 'name', 'linkName', 'mode', 'uid', 'gid', 'userName', 'groupName', 'size', 'mtime'] as const;
const MORE = ['payloadOffset', 'storedBytes', 'atime', 'ctime', 'deviceMajor', 'deviceMinor', 'xattrs', 'sparse'] as const;
/** Touches every field of every entry. */
const readAll = (entries: Iterable<TarEntry>): unknown[] =>
  [...entries].map((entry) => [...FIELDS, ...MORE].map((field) => entry[field]));

/** Read, they are views of the file. */
const asBuffers = {
  checkpoints: facts.checkpoints.map((at) => ({ ...at, window: Buffer.from(at.window) })),
  contentDigests: Buffer.from(facts.contentDigests),
};

let cacheDir: string;
const path = (): string => join(cacheDir, '.clipctl/v1/index', 'a'.repeat(64));
const layer = { digest, diffId, sizeBytes: 900, mediaType: 'x', annotations: new Map<string, string>(), urls: [] };
const read = (): Promise<LayerFacts | undefined> => readKnownLayer(cacheDir, { layer, checkpointIntervalBytes: 4096 });
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), 'clipctl-known-'));
  await keepKnownLayer({ cacheDir }, facts, 4096);
});
afterEach(() => rm(cacheDir, { recursive: true, force: true }));

/** As the writer wraps it, with a sha256 that is right. */
async function plant(content: Buffer): Promise<void> {
  const packed = gzipSync(content);
  const head = (await readFile(path())).subarray(0, 'clipctl layer index 3\n'.length);
  await writeFile(path(), Buffer.concat([head, createHash('sha256').update(packed).digest(), packed]));
}

describe('a kept layer index', () => {
  it('comes back with every field', async () => {
    const found = await read();
    expect(readAll(found?.entries ?? [])).toEqual(readAll(facts.entries));
    expect({ ...found, entries: [] }).toEqual({ ...facts, ...asBuffers, entries: [] });
  });

  it('of objects that v8 would revive is a miss', async () => {
    await plant(serialize({ ...facts, checkpointIntervalBytes: 4096, entries: { length: 1, pages: [], rare: [], owners: [] } }));
    expect(await read()).toBeUndefined();
  });

  it('that unpacks to more than 256 MiB is a miss', async () => {
    await plant(Buffer.alloc(257 * 1024 * 1024));
    expect(await read()).toBeUndefined();
  });

  it.each<[string, () => Promise<unknown>]>([
    [
      'a link',
      async () => (
        await writeFile(`${path()}.away`, await readFile(path())),
        await rm(path()),
        symlink(`${path()}.away`, path())
      ),
    ],
    ['a fifo', async () => (await rm(path()), execFileSync('mkfifo', [path()]))],
    ['a directory', async () => (await rm(path()), mkdir(path()))],
  ])('that is %s is a miss, and stays as it is', async (_what, swap) => {
    await swap();
    expect(await read()).toBeUndefined();
  });
});

describe('a layer index that was made up', () => {
  it('is a miss or can be read to its end, whatever byte was changed', () => {
    for (let at = 0; at < bytes.length; at += 1) {
      for (const value of [0, 0x7f, 0xff, (bytes[at] ?? 0) ^ 1]) {
        const changed = Buffer.from(bytes);
        changed[at] = value;
        expectSafe(changed);
      }
    }
  });

  it('is a miss when it is cut or longer', () => {
    for (let length = 0; length < bytes.length; length += 1) expect(readKnownFacts(bytes.subarray(0, length))).toBeUndefined();
    expect(readKnownFacts(Buffer.concat([bytes, Buffer.of(0)]))).toBeUndefined();
  });

  it('is a miss or can be read to its end, with any value in any field of its header', () => {
    const headerBytes = bytes.readUInt32BE();
    const header = JSON.parse(bytes.toString('utf8', 4, 4 + headerBytes)) as Record<string, unknown>;
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(-1, 2 ** 53, 1e309, 0.5, 2 ** 40, 2 ** 31, '../../x', [], [[]], {}),
    );
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(header)), anything, (key, value) => {
        const changed = Buffer.from(JSON.stringify({ ...header, [key]: value }));
        const prefix = Buffer.alloc(4);
        prefix.writeUInt32BE(changed.length);
        expectSafe(Buffer.concat([prefix, changed, bytes.subarray(4 + headerBytes)]));
      }),
      { numRuns: 3000 },
    );
  });
});

function expectSafe(changed: Buffer): void {
  const found = readKnownFacts(changed);
  if (found === undefined) return;
  expect(readAll(openEntries(found.entries))).toHaveLength(found.entries.length);
  expect(found.contentDigests.length).toBe(Math.ceil(found.uncompressedBytes / (4 * 1024 * 1024)) * 32);
  for (const { compressedOffset, window } of found.checkpoints) {
    expect(compressedOffset).toBeLessThanOrEqual(found.compressedBytes);
    expect(window.length).toBeLessThan(34_000);
  }
}
