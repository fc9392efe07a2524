/**
 * Collections at times that V8 would not choose, because it does not know what else takes memory. The buffers of bodies that
 * have been read are 64 KiB a piece outside of the heap, and V8 starts to collect when some 32 MiB of them have gathered:
 * memory that the budget does not know. What serves a request lives just long enough to become old, and V8 lets tens of MiB
 * of such objects gather, the more the longer a transfer takes.
 */
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Without options all of the heap: V8 of Node 20 takes every kind for the minor one. */
type Collect = (options?: { readonly type: 'minor' }) => void;

/** A collection of the old generation takes 20 ms: for less than this it is not worth that. */
const OLD_GARBAGE_BYTES = 4 * 1024 * 1024;
const OLD_SPACES: ReadonlySet<string> = new Set(['old_space', 'large_object_space']);

let collect: Collect | undefined;
let oldBytes: number | undefined;

/** Collects the young generation of this thread, half a millisecond; does nothing where V8 offers no way to. */
export function collectYoung(): void {
  collect ??= findCollector();
  collect({ type: 'minor' });
}

/** Collects all garbage of this thread if its old generation has grown since the last time. */
export function collectGrown(): void {
  oldBytes ??= usedOldBytes();
  if (usedOldBytes() - oldBytes < OLD_GARBAGE_BYTES) return;
  collect ??= findCollector();
  collect();
  oldBytes = usedOldBytes();
}

function usedOldBytes(): number {
  const old = getHeapSpaceStatistics().filter(({ space_name: name }) => OLD_SPACES.has(name));
  return old.reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
}

function findCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('globalThis.gc');
  // Only new contexts have it: nothing else of the process sees the function.
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? (found as Collect) : () => undefined;
}
