/** Rows 27 and 29 through the command: an index that lies about itself is listed and refused, fast and small. */
import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { check, readSchema } from '../cli/json-schema.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { goFixtures } from '../clip/fixtures.ts';
import { fileNode, smallClip } from '../clip/small-clip.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';

let home: Home;
let good: Buffer;
beforeEach(async () => {
  home = await makeHome();
  expect((await home.run(['index', `oci:${fixtureLayout('odd-gzip')}`, '-o', home.path('x.clip')])).code).toBe(0);
  good = await readFile(home.path('x.clip'));
});
afterEach(() => home.remove());

interface Verified {
  readonly ok: boolean;
  readonly kind: string;
  readonly durationMs: number;
  readonly problems: readonly { readonly code: string }[];
}

async function verify(bytes: Buffer): Promise<CliResult> {
  await writeFile(home.path('x.clip'), bytes);
  const result = await home.run(['verify', home.path('x.clip'), '--json']);
  expect(check(result.json(), readSchema('verify'))).toEqual([]);
  return result;
}

const changed = (change: (bytes: Buffer) => void): Buffer => {
  const bytes = Buffer.from(good);
  change(bytes);
  return bytes;
};

it('an index of ours is ok', async () => {
  const result = await verify(good);
  expect([result.code, result.json<Verified>().ok, result.json<Verified>().kind]).toEqual([0, true, 'index']);
});

describe('row 27: a header that lies is exit 7 in no time', () => {
  it.each([
    ['IndexLength 2^40', (bytes: Buffer) => bytes.writeBigInt64LE(1n << 40n, 10)],
    ['IndexLength -1', (bytes: Buffer) => bytes.writeBigInt64LE(-1n, 10)],
    ['IndexLength one beyond the end', (bytes: Buffer) => bytes.writeBigInt64LE(BigInt(bytes.length - 53), 10)],
    ['sections that overlap', (bytes: Buffer) => bytes.writeBigInt64LE(60n, 34)],
    ['IndexPos in the header', (bytes: Buffer) => bytes.writeBigInt64LE(8n, 18)],
    ['another version', (bytes: Buffer) => bytes.writeUInt8(9, 9)],
    ['another type', (bytes: Buffer) => bytes.write('s3\0', 42, 'latin1')],
  ])('%s', async (_, change) => {
    const result = await verify(changed(change));
    const { ok, problems, durationMs } = result.json<Verified>();
    expect([result.code, ok, problems.map(({ code }) => code)]).toEqual([7, false, ['CLIP_INVALID']]);
    expect(durationMs).toBeLessThan(100);
  });

  it('a file of 53 bytes', async () => {
    const result = await verify(good.subarray(0, 53));
    expect([result.code, result.json<Verified>().problems[0]?.code]).toEqual([7, 'CLIP_INVALID']);
  });
});

it('row 29: all that is wrong with what an index says is listed, exit 7', async () => {
  const file = smallClip();
  const far = fileNode('/dir/far', { offset: 1 << 30 });
  const nodes = [...file.nodes, fileNode('/../evil'), far, far];
  const result = await verify(Buffer.from(encodeClip({ ...file, nodes })));
  const codes = result.json<Verified>().problems.map(({ code }) => code);
  expect(result.code).toBe(7);
  expect(codes).toEqual(expect.arrayContaining(['PATH_TRAVERSAL', 'PATH_DUPLICATE', 'REFERENCE_BEYOND_LAYER']));
});

it('an index of Go CLIP is ok, with warnings for what Go CLIP does to every image', async () => {
  for (const { clip } of goFixtures()) expect((await verify(Buffer.from(clip))).code).toBe(0);
});

it('a flipped byte anywhere is exit 7', async () => {
  for (const part of [0.2, 0.5, 0.8]) {
    const at = Math.floor(good.length * part);
    expect((await verify(changed((bytes) => void (bytes[at] = bytes.readUInt8(at) ^ 1)))).code).toBe(7);
  }
});

it('an index that is not there is exit 4, and --platform is a wrong use', async () => {
  expect((await home.run(['verify', home.path('none.clip')])).code).toBe(4);
  expect((await home.run(['verify', home.path('x.clip'), '--platform', 'linux/amd64'])).code).toBe(2);
});
