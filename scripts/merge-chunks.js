import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { build } from 'esbuild';
import { graphOf, groupsOf } from './chunk-graph.js';

/**
 * esbuild cuts a chunk for each set of entries and lazy imports that share code: some 150, half of which a command loads,
 * for nearly a millisecond each. Here those that the same roots reach become one file. So whoever starts at a root loads
 * few files, and nothing of what only other roots need.
 *
 * @typedef {import('./chunk-graph.js').ChunkGraph} Graph
 * @typedef {import('./chunk-graph.js').ChunkGroups} Groups
 * @typedef {{ readonly name: string, readonly contents: string }} OutputFile
 */

/** `import { a as b } from "./x.js";` or `import "./x.js";` */
const STATIC_IMPORT = /^import (?:\{([^}]*)\} from )?"\.\/([^"]+)";$/gm;
const LAZY_IMPORT = /\bimport\("\.\/([^"]+)"\)/g;

/**
 * @param {import('./chunk-graph.js').SplitBuild} split of a build with `splitting`
 * @param {readonly (readonly string[])[]} roots sources, entries or lazily imported; a list is one root
 * @returns {Promise<readonly OutputFile[]>}
 */
export async function mergeChunks(split, roots) {
  const graph = graphOf(split);
  const groups = groupsOf(graph, roots);
  const merged = [...groups.members].map(async ([name, members]) => ({
    name,
    contents: await mergeMembers(name, members, { graph, groups }),
  }));
  const left = [...graph.texts].flatMap(([name, text]) => {
    if (!groups.groupOf.has(name)) return [{ name, contents: relink(text, groups) }];
    return isChunk(name) ? [] : [{ name, contents: forward(name, graph, groups) }];
  });
  return withOwnNames([...(await Promise.all(merged)), ...left]);
}

/**
 * @param {string} group
 * @param {readonly string[]} members
 * @param {{ graph: Graph, groups: Groups }} whole
 */
async function mergeMembers(group, members, { graph, groups }) {
  const imported = new Set(graph.bySource.values());
  const lines = members.flatMap((name) => [
    `export { ${exportsOf(name, graph).map((each) => `${each} as ${nameIn(name)}${each}`)} } from "./${name}";`,
    imported.has(name) ? `export * as ${nameIn(name)} from "./${name}";` : '',
  ]);
  const inGroup = new Set(members);
  const result = await build({
    stdin: { contents: lines.join('\n'), sourcefile: group, resolveDir: '/' },
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    legalComments: 'none',
    logLevel: 'warning',
    plugins: [chunkFiles({ isOurs: (name) => inGroup.has(name), read: (name) => relink(textOf(name, graph), groups, group) })],
  });
  return result.outputFiles[0]?.text ?? '';
}

/**
 * @param {{ isOurs: (name: string) => boolean, read: (name: string) => string }} files
 * @returns {import('esbuild').Plugin}
 */
function chunkFiles({ isOurs, read }) {
  return {
    name: 'chunk-files',
    setup(build) {
      build.onResolve({ filter: /^\.\// }, ({ path }) =>
        isOurs(path.slice(2)) ? { path: path.slice(2), namespace: 'chunk' } : { path, external: true },
      );
      build.onLoad({ filter: /./, namespace: 'chunk' }, ({ path }) => ({ contents: read(path), resolveDir: '/' }));
    },
  };
}

/**
 * Imports from files that are in a group now.
 * @param {string} text
 * @param {Groups} groups
 * @param {string} [own] the group that the text becomes part of
 */
function relink(text, { groupOf }, own) {
  return text
    .replace(STATIC_IMPORT, (statement, /** @type {string | undefined} */ names, /** @type {string} */ file) => {
      const group = groupOf.get(file);
      if (group === undefined || group === own) return statement;
      const renamed = names
        ?.split(',')
        .map((each) => each.trim())
        .filter((each) => each !== '')
        .map((each) => {
          const [from = '', to = from] = each.split(' as ');
          return `${nameIn(file)}${from} as ${to}`;
        });
      return renamed === undefined ? `import "./${group}";` : `import { ${renamed.join(', ')} } from "./${group}";`;
    })
    .replace(LAZY_IMPORT, (call, /** @type {string} */ file) => {
      const group = groupOf.get(file);
      return group === undefined ? call : `import("./${group}").then((group) => group.${nameIn(file)})`;
    });
}

/**
 * What stays of an entry that is in a group.
 * @param {string} name
 * @param {Graph} graph
 * @param {Groups} groups
 */
function forward(name, graph, { groupOf }) {
  const names = exportsOf(name, graph).map((each) => `${nameIn(name)}${each} as ${each}`);
  return `export { ${names.join(', ')} } from "./${groupOf.get(name)}";\n`;
}

/**
 * The names of chunks tell of their contents, and now also of how they are grouped: a process that runs from an older
 * build must not meet a chunk of this one.
 * @param {readonly OutputFile[]} files
 * @returns {readonly OutputFile[]}
 */
function withOwnNames(files) {
  const salt = createHash('sha256');
  for (const { contents } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) salt.update(contents);
  const build = salt.digest('hex');
  const renamed = new Map(files.map(({ name }) => [name, isChunk(name) ? `chunk-${shortHash(build + name)}.js` : name]));
  return files.map(({ name, contents }) => ({
    name: renamed.get(name) ?? name,
    contents: contents.replace(/"\.\/(chunk-[^"]+\.js)"/g, (whole, /** @type {string} */ other) => {
      const its = renamed.get(other);
      if (its === undefined) throw new Error(`${name} imports ${other}, which was merged`);
      return `"./${its}"`;
    }),
  }));
}

/** @param {string} text */
function shortHash(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 8).toUpperCase();
}

/** @param {string} name */
function isChunk(name) {
  return name.startsWith('chunk-');
}

/**
 * What an export of this file begins with in its group.
 * @param {string} name
 */
function nameIn(name) {
  return `${basename(name, '.js').replace(/\W/g, '_')}$`;
}

/**
 * @param {string} name
 * @param {Graph} graph
 */
function exportsOf(name, { exports }) {
  return exports.get(name) ?? [];
}

/**
 * @param {string} name
 * @param {Graph} graph
 */
function textOf(name, { texts }) {
  return texts.get(name) ?? '';
}
