import type { TarEntry } from './tar-entry.ts';

/** Caps on what a tar may claim. */
export interface TarLimits {
  /** Entries handed out; one more is `LIMIT_ENTRIES`. */
  readonly maxEntries: number;
  /** Bytes of one PAX header, GNU long name or sparse map; more is `LIMIT_HEADER`. Go's `archive/tar` has the same limit of 1 MiB. */
  readonly maxHeaderBytes: number;
}

export const DEFAULT_TAR_LIMITS: TarLimits = { maxEntries: 5_000_000, maxHeaderBytes: 1 << 20 };

export interface TarScannerOptions {
  /** Called for each entry in tar order, before its payload has passed. */
  readonly onEntry: (entry: TarEntry) => void;
  readonly limits?: Partial<TarLimits>;
}

/** What a whole tar was. */
export interface TarScanResult {
  readonly entryCount: number;
  /** Members of a type that no layer reader knows, left out of the entries: type flag → how many. */
  readonly ignored: ReadonlyMap<number, number>;
  /** PAX global headers. Go hands them out but applies them to nothing, so they change no entry here either. */
  readonly globalHeaderCount: number;
  /** False for a tar that just stops at a block border; Go takes that as its end, and so do we. */
  readonly hasEndMarker: boolean;
  /** All bytes written to the scanner, what follows the end marker included. */
  readonly uncompressedBytes: number;
}
