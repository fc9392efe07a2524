/** vitest's global set-up: tests that run the CLI or start a worker run what `npm run build` makes, so it must be of these sources. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from './bundle.js';
import { ROOT } from './root.js';

export default async function buildIfStale() {
  const built = await modifiedMs(join(ROOT, 'dist/layer-worker.js'));
  if (built < (await newestMs(join(ROOT, 'src')))) await bundle();
}

/** @param {string} folder */
async function newestMs(folder) {
  const names = await readdir(folder, { recursive: true });
  const times = await Promise.all(names.map((name) => modifiedMs(join(folder, name))));
  return Math.max(...times);
}

/** @param {string} path */
async function modifiedMs(path) {
  const found = await stat(path).catch(() => undefined);
  return found?.mtimeMs ?? 0;
}
