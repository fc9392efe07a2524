import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './root.js';

const LICENSE_FILE = /^(licen[cs]e|copying|notice)/i;

/**
 * The licence texts of every npm package that went into the bundle: MIT and BSD ask for them in each copy.
 * @param {readonly string[]} bundledFiles paths as esbuild's metafile names them
 */
export async function collectLicenses(bundledFiles) {
  const folders = [...new Set(bundledFiles.map(packageFolder).filter((folder) => folder !== undefined))].sort();
  const notices = await Promise.all(folders.map(licenseNotice));
  return `clipctl contains these packages.\n\n${notices.join('\n')}`;
}

/** @param {string} file */
function packageFolder(file) {
  const match = /(?:^|\/)(node_modules\/(?:.*node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(file);
  return match?.[1];
}

/** @param {string} folder */
async function licenseNotice(folder) {
  const manifest = JSON.parse(await readFile(join(ROOT, folder, 'package.json'), 'utf8'));
  const names = (await readdir(join(ROOT, folder))).filter((name) => LICENSE_FILE.test(name)).sort();
  const texts = await Promise.all(
    names.filter((name) => existsSync(join(ROOT, folder, name))).map((name) => readText(folder, name)),
  );
  return [`---- ${manifest.name} ${manifest.version} (${manifest.license ?? 'see below'})`, ...texts, ''].join('\n');
}

/**
 * @param {string} folder
 * @param {string} name
 */
async function readText(folder, name) {
  return (await readFile(join(ROOT, folder, name), 'utf8')).trim();
}
