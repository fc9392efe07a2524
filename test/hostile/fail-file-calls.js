/**
 * Started with `node --import`: lets the nth call of a kind on a file below one directory fail, in the main thread or in the
 * workers. strace can't do that for open and write, of which node itself makes hundreds before the first of ours.
 * FAULT_CALL=open:EIO:3:main, FAULT_UNDER=DIR, FAULT_LOG=FILE, which gets a line when it happened.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import os from 'node:os';
import { isMainThread } from 'node:worker_threads';

/** @typedef {Record<string, (...args: unknown[]) => unknown>} Calls */

const [call = '', code = '', nth = '', thread = ''] = (process.env.FAULT_CALL ?? '').split(':');
const under = process.env.FAULT_UNDER ?? '\0';
const log = process.env.FAULT_LOG ?? '';
const sync = calls(fs);
const promised = calls(fs.promises);
const numbers = /** @type {Record<string, number>} */ (os.constants.errno);
const { appendFileSync, readlinkSync } = fs;
let seen = 0;

/** What a call on an opened file is in the words of system calls. */
const HANDLE_CALLS = {
  write: 'write',
  writev: 'write',
  writeFile: 'write',
  appendFile: 'write',
  read: 'read',
  readFile: 'read',
  datasync: 'fdatasync',
  sync: 'fsync',
  truncate: 'ftruncate',
};

/** @param {object} owner */
function calls(owner) {
  return /** @type {Calls} */ (owner);
}

/**
 * A name in a directory that is held open, by the path of that directory.
 * @param {string} path
 */
function placeOf(path) {
  const [, held, rest] = /^(\/proc\/self\/fd\/\d+)(\/.*)$/.exec(path) ?? [];
  return held === undefined ? path : `${readlinkSync(held)}${rest}`;
}

/**
 * Throws when this is the call that shall fail.
 * @param {string} name
 * @param {unknown} path
 */
function meet(name, path) {
  if (name !== call || typeof path !== 'string') return;
  const place = placeOf(path);
  if (!place.startsWith(under)) return;
  seen += 1;
  if (seen !== Number(nth)) return;
  appendFileSync(log, `${name} ${place}\n`);
  const errno = -(numbers[code] ?? 0);
  throw Object.assign(new Error(`${code}: injected, ${name} '${place}'`), { code, errno, syscall: name, path: place });
}

/**
 * @param {Calls} owner
 * @param {string} method
 * @param {(call: (...args: unknown[]) => unknown, args: unknown[]) => unknown} wrapper
 */
function wrap(owner, method, wrapper) {
  const original = owner[method];
  if (original !== undefined) owner[method] = (...args) => wrapper((...own) => original.apply(owner, own), args);
}

/**
 * Lets what returns a promise reject before it runs.
 * @param {Calls} owner
 * @param {string} method
 * @param {{ readonly names: readonly string[], readonly pathOf?: (args: unknown[]) => unknown }} what
 */
function guard(owner, method, { names, pathOf = ([path]) => path }) {
  wrap(owner, method, async (run, args) => {
    for (const name of names) meet(name, pathOf(args));
    return run(...args);
  });
}

/** Only in the threads meant: what is replaced here is what they import. */
if ((thread === 'main') === isMainThread) {
  guardPromised();
  guardSync();
  syncBuiltinESMExports();
}

function guardPromised() {
  guard(promised, 'writeFile', { names: ['open', 'write'] });
  guard(promised, 'readFile', { names: ['open', 'read'] });
  guard(promised, 'truncate', { names: ['open', 'ftruncate'] });
  guard(promised, 'copyFile', { names: ['open', 'write'], pathOf: ([, to]) => to });
  guard(promised, 'link', { names: ['link'], pathOf: ([, to]) => to });
  guard(promised, 'rename', { names: ['rename'], pathOf: ([, to]) => to });
  wrap(promised, 'open', async (run, [path, ...rest]) => {
    const place = placeOf(String(path));
    meet('open', place);
    const handle = calls(/** @type {object} */ (await run(path, ...rest)));
    for (const [method, name] of Object.entries(HANDLE_CALLS)) guard(handle, method, { names: [name], pathOf: () => place });
    return handle;
  });
}

function guardSync() {
  /** @type {Map<unknown, unknown>} */
  const paths = new Map();
  wrap(sync, 'openSync', (run, [path, ...rest]) => {
    const place = placeOf(String(path));
    meet('open', place);
    const fd = run(path, ...rest);
    paths.set(fd, place);
    return fd;
  });
  wrap(sync, 'closeSync', (run, [fd]) => {
    paths.delete(fd);
    return run(fd);
  });
  for (const [method, name] of [
    ['writeSync', 'write'],
    ['readSync', 'read'],
  ]) {
    wrap(sync, method ?? '', (run, [fd, ...rest]) => {
      meet(name ?? '', paths.get(fd));
      return run(fd, ...rest);
    });
  }
  wrap(sync, 'fdatasync', (run, [fd, done]) => {
    try {
      meet('fdatasync', paths.get(fd));
      run(fd, done);
    } catch (error) {
      setImmediate(/** @type {(error: unknown) => void} */ (done), error);
    }
  });
}
