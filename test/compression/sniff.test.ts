import { describe, expect, test } from 'vitest';
import { sniffCompression } from '../../src/lib/compression/sniff.ts';

describe('sniffCompression', () => {
  test.each([
    ['gzip', [0x1f, 0x8b, 0x08, 0x00]],
    ['gzip', [0x1f, 0x8b]],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
    ['zstd', [0x50, 0x2a, 0x4d, 0x18]],
    ['zstd', [0x5f, 0x2a, 0x4d, 0x18, 0x00]],
    ['none', [0x60, 0x2a, 0x4d, 0x18]],
    ['none', [0x4f, 0x2a, 0x4d, 0x18]],
    ['none', [0x28, 0xb5, 0x2f]],
    ['none', [0x1f]],
    ['none', [0x1f, 0x8c, 0x08, 0x00]],
    ['none', [0x42, 0x5a, 0x68, 0x39]],
    ['none', [0, 0, 0, 0]],
    ['none', []],
  ] as const)('says %s for %j', (compression, head) => {
    expect(sniffCompression(Uint8Array.from(head))).toBe(compression);
  });

  test('looks at the view, not at the buffer behind it', () => {
    const bytes = Uint8Array.from([0, 0x28, 0xb5, 0x2f, 0xfd, 0]);
    expect(sniffCompression(bytes.subarray(1))).toBe('zstd');
    expect(sniffCompression(bytes.subarray(0, 4))).toBe('none');
  });
});
