/**
 * The zstd decoder. The frames are told apart here (RFC 8878 §3.1): a header is gathered and judged before libzstd sees
 * a byte of it, so no window is allocated that the limits forbid, and skippable frames (seek tables, zstd:chunked
 * manifests) are passed over by arithmetic.
 */
import { ClipctlError } from '../../errors.ts';
import { asError, closedError, corruptLayer } from '../decode-errors.ts';
import type { DecodeResult, Decoder, DecoderOptions, LargeWindowPermit } from '../decoder.ts';
import type { DecompressionLimits } from '../limits.ts';
import { OutputMeter } from '../output-meter.ts';
import { frameHeaderBytes, MAX_FRAME_HEADER_BYTES, parseFrameHeader } from './frame-header.ts';
import { FrameList } from './frame-list.ts';
import { loadZstdModule, ZstdStream } from './wasm-stream.ts';

/** What libzstd takes without being asked for more (ZSTD_WINDOWLOG_LIMIT_DEFAULT); the WASM has no call to raise it. */
const MAX_DECODABLE_WINDOW_LOG = 27;
/** A window above this needs the permit (DESIGN §2). */
const LARGE_WINDOW_BYTES = 8 * 1024 * 1024;
/** pzstd writes one before each frame of some MiB, other encoders a few at the end; each costs work and gives nothing. */
const MAX_SKIPPABLE_FRAMES = 65_536;

export function createZstdDecoder(options: DecoderOptions): Decoder {
  return new ZstdDecoder(options);
}

class ZstdDecoder implements Decoder {
  readonly #limits: DecompressionLimits;
  readonly #largeWindows: LargeWindowPermit | undefined;
  readonly #meter: OutputMeter;
  readonly #frames = new FrameList();
  readonly #head = Buffer.alloc(MAX_FRAME_HEADER_BYTES);
  #stage: 'header' | 'skip' | 'body' = 'header';
  #headBytes = 0;
  #skipBytes = 0;
  #skippableFrames = 0;
  /** What the header of the frame in hand says of its content; libzstd does not compare where the last block is empty. */
  #contentBytes: number | undefined;
  /** Where the frame in hand begins, on both sides. */
  #frameStart = { compressedOffset: 0, uncompressedOffset: 0 };
  #stream: ZstdStream | undefined;
  #failure: Error | undefined;

  constructor(options: DecoderOptions) {
    this.#limits = options.limits;
    this.#largeWindows = options.largeWindows;
    this.#meter = new OutputMeter(options);
  }

  write(input: Uint8Array): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stream === undefined) return this.#openAndTake(input);
    this.#take(this.#stream, input);
  }

  finish(): DecodeResult {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#stage !== 'header' || this.#headBytes > 0) throw corruptLayer('the zstd stream ends early');
    return {
      compression: 'zstd',
      decoder: 'wasm-zstd',
      compressedBytes: this.#meter.compressedBytes,
      uncompressedBytes: this.#meter.uncompressedBytes,
      checkpoints: [],
      zstdFrames: this.#frames.frames,
    };
  }

  close(): void {
    this.#failure ??= closedError();
    this.#stream?.close();
    this.#stream = undefined;
  }

  async #openAndTake(input: Uint8Array): Promise<void> {
    const module = await loadZstdModule();
    if (this.#failure !== undefined) throw this.#failure;
    this.#stream = new ZstdStream(module);
    this.#take(this.#stream, input);
  }

  #take(stream: ZstdStream, input: Uint8Array): void {
    try {
      for (let at = 0; at < input.length;) at += this.#advance(stream, input.subarray(at));
    } catch (error) {
      this.#failure = asError(error);
      throw this.#failure;
    }
  }

  /** Takes at least one byte and returns how many. */
  #advance(stream: ZstdStream, input: Uint8Array): number {
    if (this.#stage === 'header') return this.#gatherHeader(stream, input);
    return this.#stage === 'skip' ? this.#skip(input.length) : this.#decodeBody(stream, input);
  }

  /** Looks at up to a whole header at once and takes what belongs to it. */
  #gatherHeader(stream: ZstdStream, input: Uint8Array): number {
    if (this.#headBytes === 0) this.#noteFrameStart();
    const seen = input.subarray(0, MAX_FRAME_HEADER_BYTES - this.#headBytes);
    this.#head.set(seen, this.#headBytes);
    const seenBytes = this.#headBytes + seen.length;
    const neededBytes = frameHeaderBytes(this.#head.subarray(0, seenBytes));
    const takenBytes = Math.min(neededBytes, seenBytes) - this.#headBytes;
    this.#headBytes += takenBytes;
    this.#advanceBy(takenBytes);
    if (this.#headBytes === neededBytes) this.#openFrame(stream);
    return takenBytes;
  }

  #openFrame(stream: ZstdStream): void {
    const head = this.#head.subarray(0, this.#headBytes);
    this.#headBytes = 0;
    const header = parseFrameHeader(head);
    if (header.kind === 'skippable') {
      if (++this.#skippableFrames > MAX_SKIPPABLE_FRAMES) throw skippableError();
      this.#skipBytes = header.contentBytes;
      this.#stage = header.contentBytes === 0 ? 'header' : 'skip';
      return;
    }
    checkWindow(this.#limits, header.windowBytes);
    if (header.windowBytes > LARGE_WINDOW_BYTES) this.#largeWindows?.take();
    if (header.dictionaryId !== 0) throw dictionaryError(header.dictionaryId);
    this.#contentBytes = header.contentBytes;
    this.#stage = 'body';
    stream.decode(head, (output) => this.#meter.emit(output));
  }

  #skip(availableBytes: number): number {
    const skippedBytes = Math.min(availableBytes, this.#skipBytes);
    this.#skipBytes -= skippedBytes;
    this.#advanceBy(skippedBytes);
    if (this.#skipBytes === 0) this.#stage = 'header';
    return skippedBytes;
  }

  #decodeBody(stream: ZstdStream, input: Uint8Array): number {
    const startBytes = this.#meter.compressedBytes;
    const { consumedBytes, isFrameEnd } = stream.decode(input, (output, inputBytes) => {
      this.#meter.advanceTo(startBytes + inputBytes);
      this.#meter.emit(output);
    });
    this.#meter.advanceTo(startBytes + consumedBytes);
    if (isFrameEnd) this.#endFrame();
    return consumedBytes;
  }

  #endFrame(): void {
    const { compressedOffset, uncompressedOffset } = this.#frameStart;
    const compressedBytes = this.#meter.compressedBytes - compressedOffset;
    const uncompressedBytes = this.#meter.uncompressedBytes - uncompressedOffset;
    if (this.#contentBytes !== undefined && this.#contentBytes !== uncompressedBytes) {
      throw corruptLayer('a zstd frame is not of the size that it claims', { details: { compressedOffset } });
    }
    this.#frames.add({ compressedOffset, compressedBytes, uncompressedOffset, uncompressedBytes });
    this.#stage = 'header';
  }

  #advanceBy(inputBytes: number): void {
    this.#meter.advanceTo(this.#meter.compressedBytes + inputBytes);
  }

  #noteFrameStart(): void {
    this.#frameStart = { compressedOffset: this.#meter.compressedBytes, uncompressedOffset: this.#meter.uncompressedBytes };
  }
}

function checkWindow(limits: DecompressionLimits, windowBytes: number): void {
  const limitBytes = 2 ** Math.min(limits.maxZstdWindowLog, MAX_DECODABLE_WINDOW_LOG);
  if (windowBytes <= limitBytes) return;
  throw new ClipctlError('LIMIT_WINDOW', `a zstd frame needs a window of ${windowBytes} bytes; at most ${limitBytes} are given`, {
    details: { windowBytes, limitBytes },
    hint: 'Compress the layer again without --ultra --long above 27.',
  });
}

function skippableError(): ClipctlError {
  return new ClipctlError('LIMIT_FRAMES', `a zstd layer has more than ${MAX_SKIPPABLE_FRAMES} skippable frames`, {
    details: { maxSkippableFrames: MAX_SKIPPABLE_FRAMES },
  });
}

function dictionaryError(dictionaryId: number): ClipctlError {
  return new ClipctlError(
    'UNSUPPORTED_MEDIA_TYPE',
    `the layer needs zstd dictionary ${dictionaryId}, which an image cannot carry`,
    {
      details: { dictionaryId },
    },
  );
}
