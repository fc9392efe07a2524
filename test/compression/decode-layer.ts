/** Runs a decoder over bytes in memory and collects what the tests look at. */
import { createHash } from 'node:crypto';
import type { DecodeResult, Decoder, DecoderOptions } from '../../src/lib/compression/decoder.ts';
import { DEFAULT_LIMITS, type DecompressionLimits } from '../../src/lib/compression/limits.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import { ClipctlError, type ErrorCode } from '../../src/lib/errors.ts';

export interface DecodeSetup {
  readonly create?: (options: DecoderOptions) => Decoder;
  readonly limits?: Partial<DecompressionLimits>;
  /** Sizes of the pieces written, used round and round. */
  readonly pieceBytes?: readonly number[];
  readonly keepOutput?: boolean;
}

export interface Decoded {
  readonly result: DecodeResult;
  readonly sha256: string;
  readonly output: Buffer;
  readonly largestPieceBytes: number;
}

export async function decodeLayer(input: Uint8Array, setup: DecodeSetup = {}): Promise<Decoded> {
  const { create = createDecoder, limits = {}, pieceBytes = [256 * 1024], keepOutput = true } = setup;
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  let largestPieceBytes = 0;
  const onOutput = (output: Uint8Array): void => {
    hash.update(output);
    largestPieceBytes = Math.max(largestPieceBytes, output.length);
    if (keepOutput) pieces.push(Buffer.from(output));
  };
  const decoder = create({ onOutput, limits: { ...DEFAULT_LIMITS, ...limits } });
  try {
    for (const piece of cut(input, pieceBytes)) await decoder.write(piece);
    const result = await decoder.finish();
    return { result, sha256: hash.digest('hex'), output: Buffer.concat(pieces), largestPieceBytes };
  } finally {
    decoder.close();
  }
}

/** The code that decoding fails with, `undefined` when it succeeds; anything but a ClipctlError is thrown on. */
export async function decodeFailure(input: Uint8Array, setup: DecodeSetup = {}): Promise<ErrorCode | undefined> {
  try {
    await decodeLayer(input, { keepOutput: false, ...setup });
    return undefined;
  } catch (error) {
    if (error instanceof ClipctlError) return error.code;
    throw error;
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Each piece is a copy that is wiped once it was taken, as a slot that is used again would be. */
function* cut(input: Uint8Array, pieceBytes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, turn = 0; at < input.length; turn++) {
    const length = pieceBytes[turn % pieceBytes.length] ?? 1;
    const piece = Uint8Array.prototype.slice.call(input, at, at + length);
    yield piece;
    piece.fill(0xee);
    at += length;
  }
}
