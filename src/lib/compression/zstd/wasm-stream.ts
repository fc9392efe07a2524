/**
 * libzstd's streaming decoder in the WASM that zstddec carries, driven here: zstddec's own generator never looks at the
 * return code and loops for ever on corrupt input (LIBRARIES §4). Instances are ours too, one a layer at a time.
 */
import { ZSTDDecoder } from 'zstddec/stream';
import { ClipctlError } from '../../errors.ts';
import { corruptLayer } from '../decode-errors.ts';

/** One piece of output. */
const OUTPUT_BYTES = 256 * 1024;
const INPUT_BYTES = 128 * 1024;
/** ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position; 32 bits each. */
const BUFFER_STRUCT_BYTES = 12;
const POSITION_AT = 8;
/** Return values above this are negated error codes (`ZSTD_isError`). */
const MAX_RESULT = 0xffffff80;
const MEMORY_ERROR = 64;
/** WASM memory never shrinks: an instance that a long window blew up is not kept for the next layer. */
const MAX_KEPT_MEMORY_BYTES = 32 * 1024 * 1024;

interface ZstdExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  ZSTD_createDCtx(): number;
  ZSTD_freeDCtx(context: number): void;
  ZSTD_decompressStream(context: number, output: number, input: number): number;
}

/** The part of the WebAssembly API in use; @types/node 20 declares none of it. */
interface WasmRuntime {
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

interface ZstdMemory {
  readonly exports: ZstdExports;
  readonly inputAt: number;
  readonly outputAt: number;
  readonly inputStructAt: number;
  readonly outputStructAt: number;
}

export interface DecodedPiece {
  /** A view into WASM memory, valid until the next one is asked for. */
  readonly output: Uint8Array;
  /** How much of the input it took to get there. */
  readonly consumedBytes: number;
}

/** A view into WASM memory, valid during the call, and how much of the input it took to get there. */
export type ProgressSink = (output: Uint8Array, consumedBytes: number) => void;

export interface Progress {
  readonly consumedBytes: number;
  /** The frame is complete, its checksum right, all its output delivered. */
  readonly isFrameEnd: boolean;
}

let loading: Promise<object> | undefined;
/** A thread decodes one layer after the other: one instance waits for the next. */
let idle: ZstdMemory | undefined;

/** Compiles libzstd, once a thread. */
export function loadZstdModule(): Promise<object> {
  loading ??= captureModule();
  return loading;
}

async function captureModule(): Promise<object> {
  let module: object | undefined;
  // init() hands over what it compiled to _init, unbound.
  class ModuleCapture extends ZSTDDecoder {
    override _init(result: { readonly module: object }): void {
      module = result.module;
    }
  }
  await new ModuleCapture().init();
  if (module === undefined) throw new ClipctlError('INTERNAL', 'zstddec was initialised elsewhere: its module is out of reach');
  return module;
}

/** Decodes frames one after the other, each checked and fed by the caller. */
export class ZstdStream {
  readonly #memory: ZstdMemory;
  readonly #context: number;
  #view: DataView;
  #heap: Uint8Array;
  #isBroken = false;
  #isClosed = false;

  constructor(module: object) {
    this.#memory = idle ?? instantiate(module);
    idle = undefined;
    this.#context = this.#memory.exports.ZSTD_createDCtx();
    this.#view = new DataView(this.#memory.exports.memory.buffer);
    this.#heap = new Uint8Array(this.#view.buffer);
  }

  /**
   * Decodes up to the end of the current frame or of the input; the bytes after a frame's end aren't touched.
   * @throws ClipctlError LAYER_CORRUPT; whatever the sink throws
   */
  decode(input: Uint8Array, onOutput: ProgressSink): Progress {
    const outputs = this.outputs(input);
    for (;;) {
      const step = outputs.next();
      if (step.done === true) return step.value;
      onOutput(step.value.output, step.value.consumedBytes);
    }
  }

  /** As decode, but nothing more is decoded until the next output is asked for: a few bytes of input may be gigabytes. */
  *outputs(input: Uint8Array): Generator<DecodedPiece, Progress, undefined> {
    let consumedBytes = 0;
    while (consumedBytes < input.length) {
      const piece = input.subarray(consumedBytes, consumedBytes + INPUT_BYTES);
      this.#heap.set(piece, this.#memory.inputAt);
      const progress = yield* this.#decodePiece(piece.length, consumedBytes);
      consumedBytes += progress.consumedBytes;
      if (progress.isFrameEnd) return { consumedBytes, isFrameEnd: true };
    }
    return { consumedBytes, isFrameEnd: false };
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (this.#isBroken) return;
    this.#memory.exports.ZSTD_freeDCtx(this.#context);
    if (this.#memory.exports.memory.buffer.byteLength <= MAX_KEPT_MEMORY_BYTES) idle = this.#memory;
  }

  *#decodePiece(pieceBytes: number, startBytes: number): Generator<DecodedPiece, Progress, undefined> {
    const { inputAt, outputAt, inputStructAt, outputStructAt } = this.#memory;
    this.#setStruct(inputStructAt, inputAt, pieceBytes);
    for (;;) {
      this.#setStruct(outputStructAt, outputAt, OUTPUT_BYTES);
      const result = this.#step();
      const consumedBytes = this.#view.getUint32(inputStructAt + POSITION_AT, true);
      const outputBytes = this.#view.getUint32(outputStructAt + POSITION_AT, true);
      if (outputBytes > 0) {
        const output = this.#heap.subarray(outputAt, outputAt + outputBytes);
        yield { output, consumedBytes: startBytes + consumedBytes };
      }
      // 0 says that the frame is over and flushed; libzstd holds back the last input byte until then.
      if (result === 0) return { consumedBytes, isFrameEnd: true };
      if (consumedBytes === pieceBytes && outputBytes < OUTPUT_BYTES) return { consumedBytes, isFrameEnd: false };
    }
  }

  /** One call into libzstd, which itself gives up after 16 calls that move nothing. */
  #step(): number {
    const { exports, inputStructAt, outputStructAt } = this.#memory;
    let result: number;
    try {
      result = exports.ZSTD_decompressStream(this.#context, outputStructAt, inputStructAt) >>> 0;
    } catch (error) {
      this.#isBroken = true;
      throw corruptLayer('the zstd decoder gave up', { cause: error });
    }
    if (result > MAX_RESULT) {
      this.#isBroken = true;
      throw zstdError(2 ** 32 - result);
    }
    if (exports.memory.buffer !== this.#view.buffer) this.#refreshViews();
    return result;
  }

  #setStruct(at: number, pointer: number, bytes: number): void {
    this.#view.setUint32(at, pointer, true);
    this.#view.setUint32(at + 4, bytes, true);
    this.#view.setUint32(at + POSITION_AT, 0, true);
  }

  /** Growing the memory detaches every view of it. */
  #refreshViews(): void {
    this.#view = new DataView(this.#memory.exports.memory.buffer);
    this.#heap = new Uint8Array(this.#view.buffer);
  }
}

function instantiate(module: object): ZstdMemory {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WasmRuntime };
  const { exports: raw } = new WebAssembly.Instance(module, { env: { emscripten_notify_memory_growth: () => undefined } });
  const exports = raw as ZstdExports;
  return {
    exports,
    inputAt: exports.malloc(INPUT_BYTES),
    outputAt: exports.malloc(OUTPUT_BYTES),
    inputStructAt: exports.malloc(BUFFER_STRUCT_BYTES),
    outputStructAt: exports.malloc(BUFFER_STRUCT_BYTES),
  };
}

/** Codes of zstd_errors.h, stable since 1.3. */
const ERROR_NAMES: Readonly<Record<number, string>> = {
  10: 'no frame',
  14: 'a frame of an unknown kind',
  16: 'window too large',
  20: 'wrong data',
  22: 'wrong checksum',
  24: 'wrong literals',
  32: 'a dictionary is missing',
  72: 'wrong size',
};

function zstdError(code: number): ClipctlError {
  if (code === MEMORY_ERROR) return new ClipctlError('INTERNAL', 'the zstd decoder is out of memory');
  return corruptLayer(`zstd: ${ERROR_NAMES[code] ?? 'not decodable'}`, { details: { zstdErrorCode: code } });
}
