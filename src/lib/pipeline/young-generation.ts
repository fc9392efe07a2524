/**
 * The young generation of the main thread. V8 doubles it whenever enough has outlived a collection, up to 48 MiB: what a
 * piece in flight needs does, so a transfer grows by that much the longer it takes, and so does an index of many files.
 * Collecting what start-up has made of it more often costs no time that can be measured in a transfer, or for 50,000
 * files; writing the index of 400,000 takes a sixth longer.
 */
import { setFlagsFromString } from 'node:v8';

/** By what V8 multiplies it. Known to the V8 of Node 20, 22 and 24; one that does not know it would say so on stderr. */
const NEVER_GROWS = '--semi-space-growth-factor=1';
const KNOWN_V8 = /^1[1-3]\./;

let isFrozen = false;

/** Leaves it as large as it is now, in this process. */
export function freezeYoungGeneration(): void {
  isFrozen = KNOWN_V8.test(process.versions.v8);
  keepYoungGeneration();
}

/** Once a thread has started: V8 sets the factor back to 2 for all when it makes the heap of another one. */
export function keepYoungGeneration(): void {
  if (isFrozen) setFlagsFromString(NEVER_GROWS);
}
