import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { buildKernel, compileKernel, KERNEL_NAME, KERNEL_PATH } from '../../../scripts/build-kernel.js';

describe('the committed inflate.wasm', () => {
  test('is, byte for byte, what its sources in assembly/ compile to', { timeout: 120_000 }, async () => {
    const committed = await readFile(KERNEL_PATH);
    expect((await compileKernel()).equals(committed), 'run `npm run build` and commit inflate.wasm').toBe(true);
  });

  test('is written by a build, but in CI a build with another one fails and leaves it alone', { timeout: 120_000 }, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-kernel-build-'));
    try {
      const path = join(folder, KERNEL_NAME);
      await writeFile(path, 'of other sources');
      await expect(buildKernel({ path, isWritable: false })).rejects.toThrow('npm run build');
      expect(await readFile(path, 'utf8')).toBe('of other sources');
      await buildKernel({ path, isWritable: true });
      expect((await readFile(path)).equals(await readFile(KERNEL_PATH))).toBe(true);
      await buildKernel({ path, isWritable: false });
      expect(await readdir(folder)).toEqual([KERNEL_NAME]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('is small: it holds code, no tables', async () => {
    expect((await readFile(KERNEL_PATH)).length).toBeLessThan(16 * 1024);
  });
});
