import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { hasKernel } from '../../../src/lib/compression/gzip/kernel-inflate.ts';
import { checkedKernelModule, overrideKernel } from '../../../src/lib/compression/gzip/kernel-check.ts';
import { webAssembly } from '../../../src/lib/compression/gzip/webassembly.ts';
import { decodeLayer } from '../decode-layer.ts';
import { sampleBytes } from '../tools.ts';

const CONTENT = sampleBytes(100_000);
/** A module without imports and exports. */
const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

let restore: () => void = () => undefined;
afterEach(() => restore());

describe('without a kernel that works', () => {
  test.each([
    ['no WebAssembly SIMD', undefined],
    ['a module that is no kernel', EMPTY_MODULE],
  ])('%s: node:zlib decodes, with the start as its only checkpoint', async (_name, bytes) => {
    restore = overrideKernel(bytes === undefined || webAssembly === undefined ? undefined : new webAssembly.Module(bytes));
    const { output, result } = await decodeLayer(gzipSync(CONTENT));
    expect(output.equals(CONTENT)).toBe(true);
    expect(result.decoder).toBe('node-zlib');
    expect(result.checkpoints).toHaveLength(1);
    expect(hasKernel()).toBe(false);
  });

  test('which is not so on this machine', () => {
    expect(checkedKernelModule()).toBeDefined();
  });
});
