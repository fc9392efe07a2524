import { constants, deflateRawSync } from 'node:zlib';
import { InflateKernel, KERNEL_STATUS, NEVER } from './inflate-kernel.ts';
import { kernelModule } from './kernel-module.ts';
import { webAssembly, type WasmModule } from './webassembly.ts';

let verdict: { readonly module: WasmModule | undefined } | undefined;

/**
 * The kernel, after it decoded three small streams right: once for each thread, 1 ms.
 * @returns undefined where there is none or it fails the check
 */
export function checkedKernelModule(): WasmModule | undefined {
  verdict ??= { module: checkKernel(kernelModule()) };
  return verdict.module;
}

/** For tests: what a thread does whose kernel is missing or wrong. */
export function overrideKernel(module: WasmModule | undefined): () => void {
  const before = verdict;
  verdict = { module: checkKernel(module) };
  return () => void (verdict = before);
}

function checkKernel(module: WasmModule | undefined): WasmModule | undefined {
  if (module === undefined) return undefined;
  try {
    const kernel = new InflateKernel(module);
    const samples = [{ level: 6 }, { level: 6, strategy: constants.Z_FIXED }, { level: 0 }];
    return samples.every((options) => decodesRight(kernel, options)) ? module : undefined;
  } catch (error) {
    // A module that is no kernel traps or has no such exports.
    if (isWasmFailure(error) || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Matches near and far, of distances below 16 too, literals of many lengths. */
function decodesRight(kernel: InflateKernel, options: { level: number; strategy?: number }): boolean {
  const content = Uint8Array.from({ length: 20_000 }, (_, at) =>
    at % 1000 < 300 ? at % (1 + (at >> 10)) : (at * at) >> (at % 7),
  );
  const packed = deflateRawSync(content, options);
  kernel.memory.set(packed, kernel.inputAt);
  kernel.reset();
  const status = kernel.run(kernel.inputAt * 8, kernel.outputAt, {
    inEnd: kernel.inputAt + packed.length,
    outEnd: kernel.outputAt + kernel.outputBytes,
    checkpointAt: NEVER,
    insideAt: NEVER,
    windowStart: kernel.outputAt,
  });
  const output = kernel.memory.subarray(kernel.outputAt, kernel.out);
  return status === KERNEL_STATUS.endOfStream && Buffer.compare(output, content) === 0;
}

function isWasmFailure(error: unknown): boolean {
  return webAssembly !== undefined && (error instanceof webAssembly.RuntimeError || error instanceof webAssembly.LinkError);
}
