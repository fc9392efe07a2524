/** The compiled inflate kernel: one `WebAssembly.Module`, which threads hand on to each other. */
import { readFileSync } from 'node:fs';
import { webAssembly, type WasmModule } from './webassembly.ts';

/** Beside this file in the sources, beside the bundled chunk in dist/. */
const KERNEL_URL = new URL('./inflate.wasm', import.meta.url);

let compiled: WasmModule | undefined;
let isMissing = webAssembly === undefined;

/**
 * Compiles the kernel at first use: 1 ms.
 * @returns undefined where this Node has no WebAssembly SIMD
 * @throws what `readFileSync` does when the package is incomplete
 */
export function kernelModule(): WasmModule | undefined {
  if (webAssembly === undefined || compiled !== undefined || isMissing) return compiled;
  const bytes = readFileSync(KERNEL_URL);
  isMissing = !webAssembly.validate(bytes);
  if (!isMissing) compiled = new webAssembly.Module(bytes);
  return compiled;
}

/** Takes it from the thread that started this one. */
export function adoptKernelModule(module: WasmModule): void {
  compiled = module;
}
