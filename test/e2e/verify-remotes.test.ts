/** `--verify` where no index says what a part of a layer should be, and how what it finds wrong is mended. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../src/lib/cache/chunk-source.ts';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const SPAN = 4 * 1024 * 1024;
/** A chunk list that only says so. */
const oneChunkOf = (sizeBytes: number): object => ({ version: 1, sizeBytes, chunkBytes: CHUNK_BYTES, chunks: ['0'.repeat(64)] });

let home: Home;
const near = (): string => `file://${home.path('near')}`;
const far = (): string => `file://${home.path('far')}`;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

describe('--verify of a layer over 4 MiB, without an index', () => {
  let big: MadeLayout;
  beforeEach(async () => {
    const noise = Buffer.from(seededContent(9, 9_000_000).slice(0, 9_000_000));
    big = await makeLayout(home.path('big'), [{ files: { 'big.bin': noise } }]);
  });
  const push = (...args: string[]): Promise<CliResult> =>
    home.run(['push-cache', big.reference, '--to', near(), ...args, '--json']);
  const pathOfBig = (): string => join(home.path('near'), big.layers[0]?.diffId.slice('sha256:'.length) ?? '');
  const blank = async (): Promise<void> => {
    const { length } = await readFile(pathOfBig());
    await rm(pathOfBig());
    await writeFile(pathOfBig(), Buffer.alloc(length));
  };

  it('quick compares ends and a sample with the copy on disk', async () => {
    const bytes = big.layers[0]?.uncompressedBytes ?? 0;
    const checkedBytes = bytes > 2 * SPAN ? bytes : -1;
    expect((await push('--verify', 'quick')).json()['verification']).toMatchObject({ tiers: [{ hitRatio: 1, checkedBytes }] });
  });

  it.each([
    ['quick', []],
    ['full', []],
    ['quick', ['--no-disk']],
  ] as const)('%s %j finds other bytes of the right length: 7, with the hit ratio', async (mode, flags) => {
    await push(...flags);
    await blank();
    const result = await push('--verify', mode, ...flags);
    const { error } = result.json<{ error: { code: string; details: unknown } }>();
    expect([result.code, error.code, error.details]).toEqual([7, 'CACHE_CORRUPT', { wrongLayers: 1, hitRatio: 0 }]);
  });

  it('with --no-disk believes no remote how long a layer is', async () => {
    await push('--no-disk', '--to', far());
    const path = pathOfBig().replace(home.path('near'), home.path('far'));
    await rm(path);
    await writeFile(path, Buffer.alloc(1000));
    await writeFile(`${path}.chunks.json`, `${JSON.stringify(oneChunkOf(1000))}\n`);
    expect((await push('--no-disk', '--to', far(), '--verify', 'quick')).code).toBe(7);
  });

  it('what it finds wrong a warm with --repair-remote overwrites, as the hint says', async () => {
    await push();
    await blank();
    const { stderr } = await home.run(['push-cache', big.reference, '--to', near(), '--verify', 'full']);
    expect(stderr).toContain('clipctl warm IMAGE --to URL --verify full --repair-remote');
    const flags = ['--to', near(), '--verify', 'full', '--repair-remote', '--json'];
    const result = await home.run(['warm', big.reference, ...flags]);
    expect(result.code, result.stderr).toBe(0);
    expect(result.json<WarmResult>().remotes).toMatchObject([{ corrupt: 1, repaired: 1 }]);
    expect(result.json<WarmResult>().verification?.tiers.map(({ hitRatio }) => hitRatio)).toEqual([1, 1]);
    expect((await push('--verify', 'full')).code).toBe(0);
  });
});
