/** Real compressors of the machine. At home their tests are skipped where one is missing; under CI=true they fail. */
import { execFileSync, spawnSync } from 'node:child_process';

export function isToolSkipped(tool: string): boolean {
  const isMissing = spawnSync(tool, ['--version']).error !== undefined;
  return isMissing && process.env['CI'] !== 'true';
}

/** Pipes `input` through a compressor. */
export function compress(tool: string, flags: readonly string[], input: Uint8Array): Buffer {
  return execFileSync(tool, [...flags], { input, maxBuffer: 2 ** 30, stdio: ['pipe', 'pipe', 'ignore'] });
}

/** Bytes that look like a tar of sources: some repetition, some noise, the same on every run. */
export function sampleBytes(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    bytes[at] = state >>> 30 === 0 ? state >>> 16 : (bytes[at - 97 - (at % 1500)] ?? 0x41 + (at % 23));
  }
  return bytes;
}
