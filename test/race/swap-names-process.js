/** Another user of a shared cache directory who swaps what stands there for something else, until it is killed. Arguments: directory, a secret file, a file of its own, a directory of the one it attacks. */
import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const [directory = '', secret = '', own = '', outside = ''] = process.argv.slice(1);
let turn = 0;

/** @type {readonly ((path: string) => unknown)[]} */
const SWAPS = [
  (path) => symlinkSync(secret, path),
  (path) => symlinkSync(outside, path),
  (path) => execFileSync('mkfifo', [path]),
  (path) => mkdirSync(path),
  (path) => writeFileSync(path, 'closed', { mode: 0o000 }),
  (path) => linkSync(own, path),
];

/**
 * Anything may be gone, or refused, at any moment: the next turn comes.
 * @template T
 * @param {() => T} action
 */
function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

/**
 * @param {string} folder
 * @param {RegExp} pattern of the names to swap
 */
function swapIn(folder, pattern) {
  for (const name of attempt(() => readdirSync(folder)) ?? []) {
    if (!pattern.test(name)) continue;
    turn += 1;
    const aside = join(folder, `swapped-${process.pid}-${turn}`);
    attempt(() => SWAPS[turn % SWAPS.length]?.(aside));
    // A directory takes the place of nothing: what is there goes aside first.
    attempt(() => renameSync(join(folder, name), join(folder, `away-${process.pid}-${turn}`)));
    attempt(() => renameSync(aside, join(folder, name)));
  }
}

process.stdout.write('ready\n');
for (;;) {
  swapIn(directory, /^[0-9a-f]{64}$/);
  for (const folder of ['ingest', 'locks', 'leases', 'layers'])
    swapIn(join(directory, '.clipctl/v1', folder), /^(?!swapped-|away-)/);
  // Now and then something has time to succeed.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5 + ((turn * 7) % 60));
}
