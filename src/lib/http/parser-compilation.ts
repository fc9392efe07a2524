/**
 * undici parses HTTP by a WebAssembly module, one function of which is 33 KB of code. After some megabytes of a body V8 compiles
 * it anew with its optimizing compiler: 0.1 s of a core and 10 to 20 MiB of memory for a parser that sees headers and skips
 * the rest. How much code runs before that is a flag of V8, which is read when a module is made.
 */
import { setFlagsFromString } from 'node:v8';
import type { buildConnector as BuildConnector } from 'undici';

type Connector = BuildConnector.connector;

/** Where this was measured: V8 of Node 20. Others keep their ways, and complain of flags that they do not know. */
const IS_KNOWN_V8 = process.versions.v8.startsWith('11.');
/** V8's own figure there, in bytes of code run. */
const USUAL_BUDGET = 1_800_000;
/** What no run gets to. */
const ENDLESS_BUDGET = 2_000_000_000;

let isMade = !IS_KNOWN_V8;

/** A connector whose first connection makes the parser, which stays as it was compiled at first. */
export function sparingParser(connect: Connector): Connector {
  return (options, callback) => {
    connect(options, (...result) => {
      if (isMade || result[0] !== null) return callback(...result);
      isMade = true;
      // undici makes the parser while it is called back: nothing else of this thread runs in between.
      setFlagsFromString(`--wasm-tiering-budget=${ENDLESS_BUDGET}`);
      try {
        callback(...result);
      } finally {
        setFlagsFromString(`--wasm-tiering-budget=${USUAL_BUDGET}`);
      }
    });
  };
}
