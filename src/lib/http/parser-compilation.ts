/**
 * undici parses HTTP by a WebAssembly module, one function of which is 33 KB of code. After some megabytes of a body, or some
 * hundred answers, V8 compiles it anew with its optimizing compiler: up to 0.8 s of a core and 35 MiB of memory for a parser
 * that sees headers and skips the rest. Whether it may is decided by flags of V8, which are read when a module is made.
 */
import { setFlagsFromString } from 'node:v8';
import type { buildConnector as BuildConnector } from 'undici';

type Connector = BuildConnector.connector;

/** Where this was measured: V8 of Node 20 and 22. Others keep their ways, and complain of flags that they do not know. */
const IS_KNOWN_V8 = /^1[12]\./.test(process.versions.v8);
/**
 * On in V8. Without them a module is compiled as it is made, once, by the compiler that takes milliseconds. Other threads
 * read them too: the inflate kernel, which must be optimized, is made on this thread (pipeline/worker-pool.ts).
 */
const FLAGS = ['wasm-dynamic-tiering', 'wasm-tier-up', 'wasm-lazy-compilation'];

let isMade = !IS_KNOWN_V8;

/** A connector whose first connection makes the parser, which stays as it was compiled at first. */
export function sparingParser(connect: Connector): Connector {
  return (options, callback) => {
    connect(options, (...result) => {
      if (isMade || result[0] !== null) return callback(...result);
      isMade = true;
      // undici makes the parser while it is called back: nothing else of this thread runs in between.
      for (const flag of FLAGS) setFlagsFromString(`--no-${flag}`);
      try {
        callback(...result);
      } finally {
        for (const flag of FLAGS) setFlagsFromString(`--${flag}`);
      }
    });
  };
}
