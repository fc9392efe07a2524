/** What a fresh clone needs before anything of it can run: a Node that is new enough, and its npm packages. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './root.js';
import { mustRun } from './run.js';

const OLDEST_NODE = [20, 19];

/** @throws Error when this Node is older than package.json `engines` asks */
export function checkNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new Error(`clipctl needs Node >= ${OLDEST_NODE.join('.')}, this is ${process.versions.node} (https://nodejs.org)`);
}

/** Runs `npm ci` unless node_modules holds exactly what package-lock.json says. */
export async function installIfStale() {
  if (isInstalled()) return;
  process.stderr.write('installing the packages of package-lock.json (npm ci) ...\n');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  await mustRun(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { stdio: ['ignore', 2, 2] });
}

/** npm writes node_modules/.package-lock.json last, so an interrupted install is stale too. */
function isInstalled() {
  const hidden = join(ROOT, 'node_modules/.package-lock.json');
  if (!existsSync(hidden)) return false;
  const wanted = readPackages(join(ROOT, 'package-lock.json'));
  const present = readPackages(hidden);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = present[path];
    return found === undefined ? entry.optional === true : found.version === entry.version;
  });
}

/**
 * @param {string} path
 * @returns {Record<string, { version?: string, optional?: boolean }>}
 */
function readPackages(path) {
  return JSON.parse(readFileSync(path, 'utf8')).packages ?? {};
}
