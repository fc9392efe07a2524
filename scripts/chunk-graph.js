import { basename } from 'node:path';

/**
 * Which of the files of a split build load which, and which of them are loaded together.
 *
 * @typedef {{ readonly outputFiles: readonly import('esbuild').OutputFile[], readonly metafile: import('esbuild').Metafile }} SplitBuild
 *
 * @typedef {object} ChunkGraph
 * @property {ReadonlyMap<string, string>} texts by the name of the file
 * @property {ReadonlyMap<string, readonly string[]>} imports the files that a file always loads
 * @property {ReadonlyMap<string, readonly string[]>} exports
 * @property {ReadonlyMap<string, string>} bySource the file whose entry, or lazy import, is that source
 *
 * @typedef {object} ChunkGroups
 * @property {ReadonlyMap<string, readonly string[]>} members by the name of the group's file
 * @property {ReadonlyMap<string, string>} groupOf
 */

/**
 * @param {SplitBuild} split
 * @returns {ChunkGraph}
 */
export function graphOf({ outputFiles, metafile }) {
  const outputs = Object.entries(metafile.outputs).map(([path, output]) => ({ name: basename(path), output }));
  return {
    texts: new Map(outputFiles.map(({ path, text }) => [basename(path), text])),
    imports: new Map(outputs.map(({ name, output }) => [name, staticImports(output)])),
    exports: new Map(outputs.map(({ name, output }) => [name, output.exports])),
    bySource: new Map(outputs.flatMap(({ name, output }) => (output.entryPoint ? [[output.entryPoint, name]] : []))),
  };
}

/** @param {import('esbuild').Metafile['outputs'][string]} output */
function staticImports({ imports }) {
  return imports.filter(({ kind, external }) => kind === 'import-statement' && !external).map(({ path }) => basename(path));
}

/**
 * A file is in the group of all roots that reach it; what it imports is reached by those too, so groups form no cycle.
 * @param {ChunkGraph} graph
 * @param {readonly (readonly string[])[]} roots
 * @returns {ChunkGroups}
 */
export function groupsOf(graph, roots) {
  const closures = roots.map((sources) => closureOf(sources, graph));
  const members = new Map();
  const groupOf = new Map();
  for (const name of graph.texts.keys()) {
    const key = closures.flatMap((closure, at) => (closure.has(name) ? [at] : [])).join('-');
    if (key === '') continue;
    const group = `chunk-group-${key}.js`;
    members.set(group, [...(members.get(group) ?? []), name]);
    groupOf.set(name, group);
  }
  return { members, groupOf };
}

/**
 * @param {readonly string[]} sources
 * @param {ChunkGraph} graph
 * @throws Error when a source is neither an entry nor imported lazily: it has no file of its own then
 */
function closureOf(sources, { bySource, imports }) {
  const found = new Set();
  const visit = (/** @type {string} */ name) => {
    if (found.has(name)) return;
    found.add(name);
    imports.get(name)?.forEach(visit);
  };
  for (const source of sources) {
    const name = bySource.get(source);
    if (name === undefined) throw new Error(`${source} is no entry and nothing imports it lazily`);
    visit(name);
  }
  return found;
}
