import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClipFile } from '../../../src/lib/clip/clip-file.ts';
import { decodeClip } from '../../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../../src/lib/clip/encode-clip.ts';
import { clipFile } from '../../clip/clip-arbitrary.ts';
import { dumpOf, withoutEmpty } from '../../clip/dump-form.ts';
import { goFixtures } from '../../clip/fixtures.ts';
import { emptyStorageInfo, fileNode, smallClip } from '../../clip/small-clip.ts';
import { dumpWithGo, reencodeWithGo, type GoDump } from './dump-with-go.ts';

let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-clip-interop-'));
});

afterAll(() => rm(directory, { recursive: true }));

const fixtures = goFixtures();

it.each(fixtures.filter(({ dump }) => dump !== undefined))(
  '$name/go.clip is read by the standard library as Go CLIP read it',
  async ({ clipPath, dump }) => {
    expect(comparable(await dumpWithGo(clipPath))).toEqual(comparable(dump as GoDump));
  },
);

describe.each(fixtures)('$name/go.clip', ({ clip, clipPath }) => {
  it('says the same to Go after we have read and written it', async () => {
    const ours = await store(encodeClip(decodeClip(clip)));
    expect(comparable(await dumpWithGo(ours))).toEqual(comparable(await dumpWithGo(clipPath)));
  });

  it('gives Go the same index bytes when Go writes ours again', async () => {
    const ours = await store(encodeClip(decodeClip(clip)));
    expect(await goIndexBytes(ours)).toEqual(await goIndexBytes(clipPath));
  });
});

describe('a file that we wrote', () => {
  it('is read by Go, whatever it says', async () => {
    await fc.assert(
      fc.asyncProperty(clipFile, async (file) => {
        const path = await store(encodeClip(file));
        expect(comparable(await dumpWithGo(path))).toEqual(comparable(dumpOf(file)));
      }),
      { numRuns: Number(process.env['CLIPCTL_INTEROP_RUNS'] ?? 150) },
    );
  });

  it('comes back the same when Go writes it again and we read that', async () => {
    await fc.assert(
      fc.asyncProperty(clipFile, async (file) => {
        const reencoded = join(directory, 'again.clip');
        await reencodeWithGo(await store(encodeClip(file)), reencoded);
        const { nodes, storageInfo } = file;
        expect(decodeClip(await readFile(reencoded))).toEqual({ nodes, storageInfo } satisfies ClipFile);
      }),
      { numRuns: Number(process.env['CLIPCTL_INTEROP_RUNS'] ?? 150) },
    );
  });

  it('may hold nothing at all', async () => {
    const dump = await dumpWithGo(await store(encodeClip({ nodes: [], storageInfo: emptyStorageInfo() })));
    expect(dump.nodeCount).toBe(0);
    expect(dump.storageInfoTypeName).toBe('oci');
  });

  it('may hold 20,000 nodes and an extension', async () => {
    const nodes = Array.from({ length: 20_000 }, (_, index) => fileNode(`/file-${index}`, { offset: index * 1024 }));
    const file = { ...smallClip(), nodes };
    const dump = await dumpWithGo(await store(encodeClip(file)));
    expect(dump.nodes).toEqual(dumpOf(file).nodes);
  });
});

/** Without what may differ: the header's lengths, and the replacement chars of names that aren't UTF-8. */
function comparable({ nodeCount, nodes, storageInfo }: Pick<GoDump, 'nodeCount' | 'nodes' | 'storageInfo'>): unknown {
  return withoutEmpty({ nodeCount, storageInfo, nodes: nodes.map((node) => withRawNames(node as object)) });
}

function withRawNames(node: {
  readonly path?: string;
  readonly pathHex?: string;
  readonly target?: string;
  readonly targetHex?: string;
}): object {
  const { path, target, ...rest } = node;
  return { ...rest, path: node.pathHex === undefined ? path : '', target: node.targetHex === undefined ? target : '' };
}

async function store(bytes: Uint8Array): Promise<string> {
  const path = join(directory, 'ours.clip');
  await writeFile(path, bytes);
  return path;
}

/** The index section as Go's encoder writes it: no maps in it, so it is the same for the same nodes. */
async function goIndexBytes(clipPath: string): Promise<Buffer> {
  const path = join(directory, 'go-again.clip');
  await reencodeWithGo(clipPath, path);
  const file = await readFile(path);
  return file.subarray(54, 54 + Number(file.readBigInt64LE(10)));
}
