/** Frames of a stored form, decoded one after the other; each must be exactly what the seek table says. */
import { ClipctlError, errorCodeOf } from '../../../errors.ts';
import { frameHeaderBytes, MAX_FRAME_HEADER_BYTES, parseFrameHeader } from '../../../compression/zstd/frame-header.ts';
import { FRAME_BYTES } from '../../../compression/zstd/seek-table.ts';
import { loadZstdModule, ZstdStream } from '../../../compression/zstd/wasm-stream.ts';

/** Small enough to need no lease. */
const COPY_BYTES = 64 * 1024;

export interface FrameSizes {
  readonly packedBytes: number;
  readonly contentBytes: number;
}

/**
 * The content, in copies of at most 64 KiB. Nothing is decoded before it is asked for, so a bomb stays in its frame.
 * @throws ClipctlError CACHE_CORRUPT; what `packed` throws
 */
export async function* decodeFrames(
  packed: AsyncIterable<Uint8Array>,
  frames: Iterable<FrameSizes>,
): AsyncGenerator<Buffer, void, undefined> {
  const stream = new ZstdStream(await loadZstdModule());
  const input = new PackedInput(packed[Symbol.asyncIterator]());
  try {
    for (const frame of frames) yield* decodeFrame(stream, input, frame);
    if ((await input.take(1)).length > 0) throw corruptFrame('more bytes came than its seek table lists');
  } catch (error) {
    throw errorCodeOf(error) === 'LAYER_CORRUPT' ? corruptFrame((error as Error).message, error) : error;
  } finally {
    stream.close();
    await input.close();
  }
}

async function* decodeFrame(
  stream: ZstdStream,
  input: PackedInput,
  { packedBytes, contentBytes }: FrameSizes,
): AsyncGenerator<Buffer, void, undefined> {
  const head = await readHead(input, packedBytes);
  checkHead(head, contentBytes);
  let seenBytes = 0;
  let leftBytes = packedBytes;
  for (let piece: Uint8Array = head; ; piece = await input.take(leftBytes)) {
    if (piece.length === 0) throw corruptFrame('a frame is cut');
    leftBytes -= piece.length;
    const outputs = stream.outputs(piece);
    let step = outputs.next();
    for (; step.done !== true; step = outputs.next()) {
      const { output } = step.value;
      seenBytes += output.length;
      if (seenBytes > contentBytes) throw corruptFrame(`a frame has more than ${contentBytes} bytes of content`);
      for (let at = 0; at < output.length; at += COPY_BYTES) yield Buffer.from(output.subarray(at, at + COPY_BYTES));
    }
    const isEnd = step.value.isFrameEnd;
    if (isEnd && (leftBytes > 0 || step.value.consumedBytes < piece.length)) throw corruptFrame('a frame ends too early');
    if (isEnd) break;
  }
  if (seenBytes !== contentBytes) throw corruptFrame(`a frame has ${seenBytes} instead of ${contentBytes} bytes of content`);
}

/** As many bytes as any frame header can have, or the whole frame. */
async function readHead(input: PackedInput, packedBytes: number): Promise<Buffer> {
  const wanted = Math.min(MAX_FRAME_HEADER_BYTES, packedBytes);
  const head = Buffer.alloc(MAX_FRAME_HEADER_BYTES);
  let filled = 0;
  while (filled < wanted) {
    const piece = await input.take(wanted - filled);
    if (piece.length === 0) throw corruptFrame('a frame is cut');
    head.set(piece, filled);
    filled += piece.length;
  }
  return head.subarray(0, filled);
}

/** Before libzstd sees a byte: it would allocate the window that the header asks for. */
function checkHead(head: Buffer, expectedBytes: number): void {
  if (frameHeaderBytes(head) > head.length) throw corruptFrame('a frame is cut');
  const header = parseFrameHeader(head);
  if (header.kind === 'skippable') throw corruptFrame('a frame without content');
  const { windowBytes, dictionaryId, contentBytes = expectedBytes } = header;
  if (contentBytes !== expectedBytes) throw corruptFrame(`a frame claims ${contentBytes} instead of ${expectedBytes} bytes`);
  if (windowBytes > FRAME_BYTES * 2) throw corruptFrame(`a frame wants a window of ${windowBytes} bytes`);
  if (dictionaryId !== 0) throw corruptFrame('a frame wants a dictionary');
}

/** Pieces of any size, taken in pieces as they are wanted. */
class PackedInput {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(pieces: AsyncIterator<Uint8Array>) {
    this.#pieces = pieces;
  }

  /** At most `bytes`, and none only at the end or when none is wanted. */
  async take(bytes: number): Promise<Uint8Array> {
    while (this.#rest.length === 0 && bytes > 0) {
      const next = await this.#pieces.next();
      if (next.done === true) break;
      this.#rest = next.value;
    }
    const taken = this.#rest.subarray(0, bytes);
    this.#rest = this.#rest.subarray(taken.length);
    return taken;
  }

  async close(): Promise<void> {
    await this.#pieces.return?.();
  }
}

function corruptFrame(what: string, cause?: unknown): ClipctlError {
  return new ClipctlError('CACHE_CORRUPT', `seekable zstd is corrupt: ${what}`, cause === undefined ? {} : { cause });
}
