/** Packs independent zstd frames, with what the machine has: node:zlib (Node 22.15 and later), else libzstd in WASM. */
import * as zlib from 'node:zlib';
import { setImmediate } from 'node:timers/promises';
import { ClipctlError } from '../../errors.ts';
import { FRAME_BYTES, MAX_PACKED_FRAME_BYTES } from './seek-table.ts';
import { openWasmEncoder, type PackFrame } from './wasm-encoder.ts';

export type FrameEngine = 'node-zstd' | 'wasm-zstd';

export interface FrameEncoder {
  readonly engine: FrameEngine;
  readonly level: number;
  /**
   * Packs up to FRAME_BYTES into one frame at the start of `into`, which has room for MAX_PACKED_FRAME_BYTES. Neither
   * may be touched meanwhile. Resolves to the bytes of the frame. @throws ClipctlError INTERNAL
   */
  encode(content: Uint8Array, into: Uint8Array): Promise<number>;
}

/** @param engines in the order in which they are tried. `undefined`: there is no encoder here */
export async function openFrameEncoder(
  level: number,
  engines: readonly FrameEngine[] = ['node-zstd', 'wasm-zstd'],
): Promise<FrameEncoder | undefined> {
  for (const engine of engines) {
    const pack = engine === 'node-zstd' ? openNodeEncoder(level) : await openWasmEncoder(level);
    if (pack !== undefined) return { engine, level, encode: (content, into) => encode(pack, content, into) };
  }
  return undefined;
}

async function encode(pack: PackFrame, content: Uint8Array, into: Uint8Array): Promise<number> {
  if (content.length > FRAME_BYTES || into.length < MAX_PACKED_FRAME_BYTES)
    throw new ClipctlError('INTERNAL', `no frame for ${content.length} bytes in ${into.length}`);
  // Packing on this thread: sockets and timers get their turn between two frames.
  await setImmediate();
  return pack(content, into);
}

/** The part of node:zlib in use; @types/node 20 does not declare it. */
interface NodeZstd {
  readonly zstdCompress: (
    content: Uint8Array,
    options: { readonly params: Readonly<Record<number, number>> },
    done: (error: Error | null, packed: Buffer) => void,
  ) => void;
  readonly constants: { readonly ZSTD_c_compressionLevel: number };
}

function openNodeEncoder(level: number): PackFrame | undefined {
  if (!('zstdCompress' in zlib)) return undefined;
  const { zstdCompress, constants } = zlib as unknown as NodeZstd;
  const options = { params: { [constants.ZSTD_c_compressionLevel]: level } };
  return (content, into) =>
    new Promise((resolve, reject) => {
      zstdCompress(content, options, (error, packed) => {
        if (error !== null) return reject(new ClipctlError('INTERNAL', 'zstd did not pack a frame', { cause: error }));
        into.set(packed);
        resolve(packed.length);
      });
    });
}
