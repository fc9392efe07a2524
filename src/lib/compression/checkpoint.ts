/** Where a reader can start: the state is these offsets, the bit and the window of the preceding output. */
export interface Checkpoint {
  readonly compressedOffset: number;
  /** 0..7: bits of the byte at `compressedOffset - 1` still to be used; 0 when it starts on a byte. */
  readonly bit: number;
  readonly uncompressedOffset: number;
  /**
   * The output before the checkpoint that matches may reach (≤ 32 KiB), packed with what else it takes to go on
   * (window-codec.ts); empty at the start of a gzip member, and nowhere else.
   */
  readonly window: Uint8Array;
}
