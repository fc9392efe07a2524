/** What this machine decompresses and packs with. */
import { availableParallelism, totalmem } from 'node:os';
import { hasNativeLocks } from '../cache/disk/lock/kernel-lock.ts';
import { checkedKernelModule } from '../compression/gzip/kernel-check.ts';
import { openFrameEncoder } from '../compression/zstd/frame-encoder.ts';
import { loadZstdModule } from '../compression/zstd/wasm-stream.ts';
import type { DoctorCheck, EngineFacts, Examined, SystemFacts } from './doctor-results.ts';

const DEFAULT_LEVEL = 3;

export function describeSystem(): SystemFacts {
  const { version: node, platform, arch: architecture } = process;
  return { node, platform, architecture, cores: availableParallelism(), memoryBytes: totalmem() };
}

export async function examineEngines(): Promise<Examined<EngineFacts>> {
  const hasKernel = await works(() => checkedKernelModule());
  const hasZstd = await works(() => loadZstdModule());
  const zstdEncoder = (await openFrameEncoder(DEFAULT_LEVEL))?.engine;
  const nativeLocks = await hasNativeLocks();
  const found: EngineFacts = {
    gzip: hasKernel ? 'kernel' : 'node-zlib',
    ...(hasZstd ? { zstdDecoder: 'wasm-zstd' } : {}),
    ...(zstdEncoder === undefined ? {} : { zstdEncoder }),
    nativeLocks,
  };
  return { found, checks: [gzipCheck(hasKernel), zstdCheck(hasZstd), encoderCheck(zstdEncoder)] };
}

async function works(load: () => unknown): Promise<boolean> {
  try {
    return (await load()) !== undefined;
  } catch {
    // A file of the package is missing or is none of ours: that it does not work is the answer.
    return false;
  }
}

function gzipCheck(hasKernel: boolean): DoctorCheck {
  if (hasKernel) return { area: 'engines', status: 'ok', message: 'gzip: the inflate kernel works (WebAssembly)' };
  const message = 'gzip: the inflate kernel does not work here, layers are read with node:zlib, without checkpoints';
  const hint = 'Run Node without --jitless, on a processor with SSSE3 (or NEON); install clipctl again.';
  return { area: 'engines', status: 'warning', message, hint };
}

function zstdCheck(hasZstd: boolean): DoctorCheck {
  if (hasZstd) return { area: 'engines', status: 'ok', message: 'zstd: decoder works (WebAssembly)' };
  const hint = 'Run Node without --jitless; install clipctl again.';
  return { area: 'engines', status: 'problem', code: 'INTERNAL', message: 'zstd: layers cannot be read here', hint };
}

function encoderCheck(engine: EngineFacts['zstdEncoder']): DoctorCheck {
  if (engine !== undefined) return { area: 'engines', status: 'ok', message: `zstd: push-cache --compress packs with ${engine}` };
  const message = 'zstd: no encoder works here, push-cache --compress stores layers plain';
  return { area: 'engines', status: 'warning', message, hint: 'Install clipctl again.' };
}
