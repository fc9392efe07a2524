import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const NAMESPACE = 'lazy-commonjs';
/** A statement of an ES module at the start of a line. */
const MODULE_SYNTAX = /^(?:import|export)(?:\s*[{*'"]|\s+\w+\s)/m;
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/**
 * When esbuild splits, `await import('undici')` of a CommonJS package gives a module with a default export only, where
 * Node gives the names too. This puts a module in between that has them.
 * @type {import('esbuild').Plugin}
 */
export const namedCommonJsImports = {
  name: NAMESPACE,
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (kind !== 'dynamic-import' || path.startsWith('node:') || pluginData === NAMESPACE) return undefined;
      const found = await build.resolve(path, { kind, resolveDir, pluginData: NAMESPACE });
      if (found.external || !isCommonJs(found.path)) return undefined;
      return { path: found.path, namespace: NAMESPACE };
    });
    build.onLoad({ filter: /./, namespace: NAMESPACE }, ({ path }) => ({
      contents: moduleWithNames(path),
      resolveDir: dirname(path),
    }));
  },
};

/**
 * The names come from the namespace: of a package that was an ES module once (`__esModule`) the default is something else.
 * @param {string} path
 */
function moduleWithNames(path) {
  const from = JSON.stringify(path);
  const names = namesOf(path).join(', ');
  return [`import whole, * as names from ${from};`, `export const { ${names} } = names;`, 'export default whole;', ''].join('\n');
}

/** @param {string} path */
function namesOf(path) {
  return Object.keys(createRequire(import.meta.url)(path)).filter((name) => IDENTIFIER.test(name) && name !== 'default');
}

/**
 * As Node decides: by the extension, else by `type` of the nearest package.json. What bundlers are offered instead (the
 * `module` field) is written in ES modules whatever the type says, and esbuild gives its names.
 * @param {string} path
 */
function isCommonJs(path) {
  if (/\.[cm]js$/.test(path)) return path.endsWith('.cjs');
  if (MODULE_SYNTAX.test(readFileSync(path, 'utf8'))) return false;
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const type = packageType(folder);
    if (type !== undefined) return type !== 'module';
  }
  return true;
}

/**
 * @param {string} folder
 * @returns {string | undefined} undefined without a package.json
 */
function packageType(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).type ?? 'commonjs';
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
