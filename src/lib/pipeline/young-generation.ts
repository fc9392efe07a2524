/**
 * The young generation of the main thread while it passes layers on. V8 doubles it whenever enough has outlived a
 * collection, up to 48 MiB: what a piece in flight needs does, so a transfer grows by that much the longer it takes. Next
 * to nothing in there is alive: collecting what start-up has made of it more often costs no time that can be measured.
 */
import { setFlagsFromString } from 'node:v8';

/** By what V8 multiplies it. Known to the V8 of Node 20, 22 and 24; one that does not know it would say so on stderr. */
const NEVER_GROWS = '--semi-space-growth-factor=1';
const KNOWN_V8 = /^1[1-3]\./;

let isFrozen = false;

/** Leaves it as large as it is now. Not for what builds large structures: they would be collected again and again. */
export function freezeYoungGeneration(): void {
  isFrozen = KNOWN_V8.test(process.versions.v8);
  keepYoungGeneration();
}

/** Once a thread has started: V8 sets the factor back to 2 for all when it makes the heap of another one. */
export function keepYoungGeneration(): void {
  if (isFrozen) setFlagsFromString(NEVER_GROWS);
}
