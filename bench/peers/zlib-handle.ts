/**
 * node:zlib below its streams: the private handle of a Gunzip, which inflates synchronously into a buffer of ours. No
 * program should use it; it shows what zlib itself can do in Node.
 */
import { constants, createGunzip } from 'node:zlib';

interface ZlibHandle {
  /** Arguments: flush, input, its offset, its length, output, its offset, its length. The state gets what is left of both. */
  writeSync(...args: readonly [number, Uint8Array, number, number, Uint8Array, number, number]): void;
}

interface HandleOwner {
  readonly _handle: ZlibHandle;
  /** [output bytes left, input bytes left] */
  readonly _writeState: Uint32Array;
}

/** @returns the number of decompressed bytes of one gzip member */
export function inflateWithHandle(pieces: Iterable<Uint8Array>, outputSize: number): number {
  const { _handle: handle, _writeState: state } = createGunzip() as unknown as HandleOwner;
  const output = Buffer.alloc(outputSize);
  let outputBytes = 0;
  for (const piece of pieces) {
    let left = piece.length;
    do {
      handle.writeSync(constants.Z_NO_FLUSH, piece, piece.length - left, left, output, 0, outputSize);
      outputBytes += outputSize - (state[0] ?? 0);
      left = state[1] ?? 0;
    } while (left > 0 || state[0] === 0);
  }
  return outputBytes;
}
