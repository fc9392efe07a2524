import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { compileKernel, KERNEL_PATH } from '../../../scripts/build-kernel.js';

describe('the committed inflate.wasm', () => {
  test('is, byte for byte, what its sources in assembly/ compile to', { timeout: 120_000 }, async () => {
    const committed = await readFile(KERNEL_PATH);
    expect((await compileKernel()).equals(committed), 'run `npm run build` and commit inflate.wasm').toBe(true);
  });

  test('is small: it holds code, no tables', async () => {
    expect((await readFile(KERNEL_PATH)).length).toBeLessThan(16 * 1024);
  });
});
