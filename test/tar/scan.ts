import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import type { TarLimits, TarScanResult } from '../../src/lib/tar/scan-result.ts';
import { TarScanner } from '../../src/lib/tar/scanner.ts';

export interface Scan extends TarScanResult {
  readonly entries: readonly TarEntry[];
}

/** Scans a whole tar given in pieces of the lengths that `pieceBytes` gives, one after the other and round again. */
export function scan(tar: Uint8Array, pieceBytes: readonly number[] = [], limits: Partial<TarLimits> = {}): Scan {
  const entries: TarEntry[] = [];
  const scanner = new TarScanner({ onEntry: (entry) => entries.push(entry), limits });
  for (let at = 0, turn = 0; at < tar.length; turn++) {
    const length = pieceBytes.length === 0 ? tar.length : (pieceBytes[turn % pieceBytes.length] ?? 1);
    scanner.write(tar.subarray(at, at + length));
    at += length;
  }
  return { ...scanner.finish(), entries };
}
