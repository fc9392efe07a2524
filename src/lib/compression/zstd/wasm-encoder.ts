/**
 * libzstd's one-shot encoder in the WASM that @bokuweb/zstd-wasm carries. Its own JavaScript keeps a copy of every frame
 * that no budget sees, so the WASM is driven here. Its exports have the one-letter names that this exact version was
 * built with: what does not pack a probe right is not used.
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ClipctlError } from '../../errors.ts';
import { FRAME_BYTES, MAX_PACKED_FRAME_BYTES } from './seek-table.ts';

/** Resolves to the bytes of the frame at the start of `into`. */
export type PackFrame = (content: Uint8Array, into: Uint8Array) => Promise<number>;

/** Beside the bundle; run from source it is read where npm put it. */
const BUNDLED_URL = new URL('./zstd.wasm', import.meta.url);
const PACKAGE = '@bokuweb/zstd-wasm';
const PAGE_BYTES = 65_536;
/** The tables of level 19 for 4 MiB stay far below. */
const MAX_MEMORY_BYTES = 256 * 1024 * 1024;
/** Return values above this are negated error codes (`ZSTD_isError`). */
const MAX_RESULT = 0xffffff80;
const ZSTD_MAGIC = 0xfd2fb528;

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

type CompressCall = [into: number, intoBytes: number, from: number, fromBytes: number, level: number];

interface Libzstd {
  readonly memory: WasmMemory;
  readonly malloc: (bytes: number) => number;
  readonly compress: (...call: CompressCall) => number;
}

/** The part of the WebAssembly API in use; @types/node 20 declares none of it. */
interface WasmRuntime {
  readonly instantiate: (bytes: Uint8Array, imports: object) => Promise<{ readonly instance: { readonly exports: unknown } }>;
}

/** `undefined`: it can't be had here. */
export async function openWasmEncoder(level: number): Promise<PackFrame | undefined> {
  try {
    const libzstd = await instantiate(await readWasm());
    const pack = packerOf(libzstd, level);
    return isFrame(pack) ? (content, into) => Promise.resolve(pack(content, into)) : undefined;
  } catch {
    // No file, no WebAssembly, other exports: whatever it is, layers are stored plain then, and the caller says so.
    return undefined;
  }
}

async function readWasm(): Promise<Buffer> {
  try {
    return await readFile(BUNDLED_URL);
  } catch {
    const entry = createRequire(import.meta.url).resolve(PACKAGE);
    return readFile(new URL('./zstd.wasm', pathToFileURL(entry)));
  }
}

async function instantiate(bytes: Buffer): Promise<Libzstd> {
  const { WebAssembly } = globalThis as unknown as { readonly WebAssembly: WasmRuntime };
  const held: { memory?: WasmMemory } = {};
  const nothing = (): number => 0;
  const stop = (): never => {
    throw new ClipctlError('INTERNAL', 'the zstd encoder gave up');
  };
  const grow = (wantedBytes: number): boolean => held.memory !== undefined && growTo(held.memory, wantedBytes >>> 0);
  const imports = { a: { a: stop, b: nothing, c: stop, d: nothing, e: grow } };
  const { instance } = await WebAssembly.instantiate(bytes, imports);
  const exports = instance.exports as Readonly<Record<'f' | 'g' | 'm' | 's', unknown>>;
  const memory = exports.f as WasmMemory;
  held.memory = memory;
  (exports.g as () => void)();
  return { memory, malloc: exports.s as Libzstd['malloc'], compress: exports.m as Libzstd['compress'] };
}

/** As emscripten asks: true when the memory has so many bytes now. */
function growTo(memory: WasmMemory, wantedBytes: number): boolean {
  if (wantedBytes > MAX_MEMORY_BYTES) return false;
  memory.grow(Math.ceil((wantedBytes - memory.buffer.byteLength) / PAGE_BYTES));
  return true;
}

type PackNow = (content: Uint8Array, into: Uint8Array) => number;

function packerOf({ memory, malloc, compress }: Libzstd, level: number): PackNow {
  const contentAt = malloc(FRAME_BYTES);
  const packedAt = malloc(MAX_PACKED_FRAME_BYTES);
  return (content, into) => {
    new Uint8Array(memory.buffer, contentAt, content.length).set(content);
    const result = compress(packedAt, MAX_PACKED_FRAME_BYTES, contentAt, content.length, level) >>> 0;
    if (result > MAX_RESULT) {
      throw new ClipctlError('INTERNAL', 'zstd did not pack a frame', { details: { zstdErrorCode: 2 ** 32 - result } });
    }
    into.set(new Uint8Array(memory.buffer, packedAt, result));
    return result;
  };
}

/** A few zeros have to become a frame. */
function isFrame(pack: PackNow): boolean {
  const into = Buffer.alloc(64);
  return pack(Buffer.alloc(32), into) > 4 && into.readUInt32LE(0) === ZSTD_MAGIC;
}
