/** The part of WebAssembly's JavaScript API that the kernel needs: TypeScript declares it for browsers only. */

/** A compiled module: opaque, and structured clone hands it to other threads without copying its code. */
export type WasmModule = object & { readonly wasmModule?: never };

export interface WasmMemory {
  readonly buffer: SharedArrayBuffer;
}

interface WasmApi {
  readonly validate: (bytes: Uint8Array) => boolean;
  readonly Module: new (bytes: Uint8Array) => WasmModule;
  readonly Memory: new (pages: { readonly initial: number; readonly maximum: number; readonly shared: true }) => WasmMemory;
  readonly Instance: new (module: WasmModule, imports: object) => { readonly exports: object };
  readonly RuntimeError: new () => Error;
  readonly LinkError: new () => Error;
}

/** undefined when Node runs with `--jitless`. */
export const webAssembly = (globalThis as { readonly WebAssembly?: unknown }).WebAssembly as WasmApi | undefined;
