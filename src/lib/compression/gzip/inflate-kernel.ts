/**
 * One instance of the inflate kernel (assembly/) with its memory, which is sized once and never grows: 32 KiB of history
 * and 1 MiB of output, 256 KiB of input, tables. A decoder borrows an instance and gives it back; a thread that decodes one
 * layer after another has one for its whole life.
 */
import { ClipctlError } from '../../errors.ts';
import { webAssembly, type WasmModule } from './webassembly.ts';

/** assembly/status.ts */
export const KERNEL_STATUS = { needInput: 0, needOutput: 1, atBoundary: 2, endOfStream: 3, insideBlock: 4 } as const;

/** zlib's words, so that messages can be looked up. */
const KERNEL_ERRORS: Readonly<Record<number, string>> = {
  [-1]: 'invalid block type',
  [-2]: 'invalid stored block lengths',
  [-3]: 'too many length or distance symbols',
  [-4]: 'invalid code lengths set',
  [-5]: 'invalid bit length repeat',
  [-6]: 'invalid code -- missing end-of-block',
  [-7]: 'invalid literal/lengths set',
  [-8]: 'invalid distances set',
  [-9]: 'invalid literal/length code',
  [-10]: 'invalid distance code',
  [-11]: 'invalid distance too far back',
};

/** An address. */
interface WasmGlobal {
  readonly value: number;
}

/** What assembly/index.ts exports: functions, and addresses as globals. */
interface KernelExports {
  readonly initialize: () => void;
  readonly reset: () => void;
  readonly resetInside: (headerPosition: number, inEnd: number) => number;
  readonly run: (...registers: RunRegisters) => number;
  readonly keepWindow: (start: number, end: number) => void;
  readonly markWindow: () => void;
  readonly trimWindow: () => number;
  readonly packWindow: () => number;
  readonly KEPT_END: WasmGlobal;
  readonly PACKED: WasmGlobal;
  readonly BLOCK_HEADER: WasmGlobal;
  readonly INPUT: WasmGlobal;
  readonly INPUT_BYTES: WasmGlobal;
  readonly OUTPUT: WasmGlobal;
  readonly OUTPUT_BYTES: WasmGlobal;
  readonly SECOND_OUTPUT: WasmGlobal;
  readonly MEMORY_BYTES: WasmGlobal;
}

type RunRegisters = [
  position: number,
  inEnd: number,
  out: number,
  outEnd: number,
  checkpointAt: number,
  insideAt: number,
  windowStart: number,
  keptEnd: number,
];

/** As addresses of the kernel's memory. */
export interface RunLimits {
  readonly inEnd: number;
  readonly outEnd: number;
  readonly checkpointAt: number;
  readonly insideAt: number;
  readonly windowStart: number;
  /** The byte behind the window that `keepWindow` got, to mark what matches reach of it; undefined for no marks. */
  readonly keptEnd?: number | undefined;
}

/** What is left of a window, and that packed. */
export interface PackedWindow {
  /** A view, valid until the next window. */
  readonly window: Uint8Array;
  /** Raw DEFLATE. */
  readonly deflated: Uint8Array;
}

const WASM_PAGE_BYTES = 64 * 1024;
/** assembly/layout.ts MEMORY_BYTES; checked when an instance is made. */
const MEMORY_PAGES = 43;
export const HISTORY_BYTES = 32 * 1024;
/** An address that no output reaches. */
export const NEVER = 0x7fffffff;

/** Word indexes of assembly/layout.ts. */
const STATE = { position: 0, out: 1, headerBit: 2, headerBits: 3 } as const;

export class InflateKernel {
  readonly memory: Uint8Array;
  readonly inputAt: number;
  readonly inputBytes: number;
  /** Where output starts; the history lies right before it. */
  readonly outputAt: number;
  /** The same of the second area. */
  readonly secondOutputAt: number;
  readonly outputBytes: number;
  readonly #state: Uint32Array;
  readonly #exports: KernelExports;

  constructor(module: WasmModule) {
    if (webAssembly === undefined) throw new ClipctlError('INTERNAL', 'this Node has no WebAssembly');
    const memory = new webAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES, shared: true });
    const { exports } = new webAssembly.Instance(module, { env: { memory } });
    this.#exports = exports as unknown as KernelExports;
    if (this.#exports.MEMORY_BYTES.value !== MEMORY_PAGES * WASM_PAGE_BYTES)
      throw new TypeError('not the kernel of this version');
    this.memory = new Uint8Array(memory.buffer, 0, MEMORY_PAGES * WASM_PAGE_BYTES);
    this.#state = new Uint32Array(memory.buffer, 0, 4);
    this.inputAt = this.#exports.INPUT.value;
    this.inputBytes = this.#exports.INPUT_BYTES.value;
    this.outputAt = this.#exports.OUTPUT.value + HISTORY_BYTES;
    this.secondOutputAt = this.#exports.SECOND_OUTPUT.value + HISTORY_BYTES;
    this.outputBytes = this.#exports.OUTPUT_BYTES.value;
    this.#exports.initialize();
  }

  /** Bit address of the next bit of input after `run`. */
  get position(): number {
    return this.#state[STATE.position]!;
  }

  /** Where the next byte of output goes after `run`. */
  get out(): number {
    return this.#state[STATE.out]!;
  }

  /** The next `run` starts at a block header; or, with one, behind some symbol of the block that it is the header of. */
  reset(blockHeader?: Uint8Array): boolean {
    this.#exports.reset();
    if (blockHeader === undefined) return true;
    if (blockHeader.length > this.inputBytes) return false;
    this.memory.set(blockHeader, this.inputAt);
    return this.#exports.resetInside(this.inputAt * 8, this.inputAt + blockHeader.length) !== 0;
  }

  /** @returns one of KERNEL_STATUS, or less than 0 for an error */
  run(position: number, out: number, limits: RunLimits): number {
    const { inEnd, outEnd, checkpointAt, insideAt, windowStart, keptEnd = 0 } = limits;
    return this.#exports.run(position, inEnd, out, outEnd, checkpointAt, insideAt, windowStart, keptEnd);
  }

  /** Header of the block that is being decoded, moved to bit 0 of its first byte and padded with zeros. */
  copyBlockHeader(): Uint8Array {
    const at = this.#exports.BLOCK_HEADER.value;
    const bit = this.#state[STATE.headerBit]!;
    const bits = this.#state[STATE.headerBits]!;
    const header = Uint8Array.from({ length: Math.ceil(bits / 8) }, (_, index) => {
      const two = this.memory[at + index]! | (this.memory[at + index + 1]! << 8);
      return two >> bit;
    });
    if (bits % 8 > 0) header[header.length - 1]! &= (1 << (bits % 8)) - 1;
    return header;
  }

  /** Sets history aside, up to 32 KiB between two addresses: the window of a checkpoint. */
  keepWindow(start: number, end: number): void {
    this.#exports.keepWindow(start, end);
  }

  /**
   * Compresses the window with the packer that is part of the kernel: the same bytes on every machine. What no run marked
   * is lost: bytes before the first mark are not there, others have any value.
   */
  packWindow({ isWhole }: { readonly isWhole: boolean }): PackedWindow {
    if (isWhole) this.#exports.markWindow();
    const windowEnd = this.#exports.KEPT_END.value;
    const windowBytes = this.#exports.trimWindow();
    const at = this.#exports.PACKED.value;
    const deflated = this.memory.slice(at, at + this.#exports.packWindow());
    return { window: this.memory.subarray(windowEnd - windowBytes, windowEnd), deflated };
  }
}

export function kernelErrorText(status: number): string {
  return KERNEL_ERRORS[status] ?? `status ${status}`;
}

const idle: InflateKernel[] = [];

/** An instance that nobody else uses until it is given back. */
export function borrowKernel(module: WasmModule): InflateKernel {
  return idle.pop() ?? new InflateKernel(module);
}

/** One is kept for the next layer of this thread. */
export function returnKernel(kernel: InflateKernel): void {
  if (idle.length === 0) idle.push(kernel);
}
