import { ClipctlError } from '../errors.ts';

/** What a layer may grow to before it is taken for a bomb (RELIABILITY §1.3 rows 7 and 8). */
export interface DecompressionLimits {
  /** Most decompressed bytes of one layer (`--max-layer-size`). */
  readonly maxLayerBytes: number;
  /** Most output for each byte of input … */
  readonly maxRatio: number;
  /** … on top of this allowance, so that tiny layers are free. */
  readonly ratioAllowanceBytes: number;
  /** Largest zstd window (RFC 8878 §3.1.1.1.2): 2^windowLog bytes. */
  readonly maxZstdWindowLog: number;
}

export const DEFAULT_LIMITS: DecompressionLimits = {
  maxLayerBytes: 64 * 1024 ** 3,
  maxRatio: 1100,
  ratioAllowanceBytes: 64 * 1024 ** 2,
  maxZstdWindowLog: 27,
};

/**
 * Called with the totals after each piece of output.
 * @throws ClipctlError LIMIT_LAYER_SIZE or LIMIT_RATIO
 */
export function checkGrowth(limits: DecompressionLimits, compressedBytes: number, uncompressedBytes: number): void {
  if (uncompressedBytes > limits.maxLayerBytes) {
    throw new ClipctlError('LIMIT_LAYER_SIZE', `layer is larger than ${limits.maxLayerBytes} bytes decompressed`, {
      details: { maxLayerBytes: limits.maxLayerBytes },
      hint: 'Raise --max-layer-size if you trust this image.',
    });
  }
  if (uncompressedBytes > compressedBytes * limits.maxRatio + limits.ratioAllowanceBytes) {
    throw new ClipctlError('LIMIT_RATIO', `layer grows more than ${limits.maxRatio}-fold when decompressed: refused as a bomb`, {
      details: { compressedBytes, uncompressedBytes },
    });
  }
}
