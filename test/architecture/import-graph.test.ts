import { describe, expect, it } from 'vitest';
import { loadedBy, readImports, roomOf } from './imports.ts';
import type { Import } from './imports.ts';

/** DESIGN §4: which rooms a room may import, itself and `base` aside. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  entrance: ['operations', 'pipeline', 'cache', 'clip', 'compression', 'layer-index', 'oci', 'source', 'tar'],
  commands: ['cli', 'operations'],
  cli: ['operations', 'pipeline', 'oci'],
  // A session opens the one dispatcher of the process and hands it to sources; doctor says where logins come from.
  operations: ['pipeline', 'cache', 'source', 'http', 'auth', 'compression', 'clip', 'layer-index', 'tar', 'oci'],
  pipeline: ['cache', 'source', 'compression', 'clip', 'layer-index', 'tar', 'oci'],
  // Archives are tars, and what they hold is sniffed.
  source: ['http', 'auth', 'compression', 'tar', 'oci'],
  auth: ['http', 'oci'],
  http: [],
  // Remote drivers speak HTTP, and log in to registries; content may stand in them packed.
  cache: ['http', 'auth', 'compression', 'oci'],
  compression: [],
  clip: ['compression', 'layer-index', 'tar', 'oci'],
  'layer-index': ['tar', 'oci'],
  tar: [],
  oci: [],
  base: [],
};

const PURE_ROOMS = ['oci', 'tar', 'layer-index', 'clip'];
const PURE_MODULES = ['node:crypto', 'node:buffer', 'node:zlib', 'zstddec/stream'];
const OPENS_DRIVERS = 'src/lib/cache/remote/open-remote.ts';

const imports = readImports();

function describeImport({ from, target }: Import): string {
  return `${from} imports ${target}`;
}

describe('the import graph', () => {
  it('has imports to look at', () => {
    expect(imports.length).toBeGreaterThan(100);
    expect(new Set(imports.map((each) => roomOf(each.from)))).toEqual(new Set(Object.keys(MAY_IMPORT)));
  });

  it('points down only', () => {
    const wrong = imports.filter(({ from, target }) => {
      const to = roomOf(target);
      const room = roomOf(from) ?? '';
      return to !== undefined && to !== room && to !== 'base' && !(MAY_IMPORT[room] ?? []).includes(to);
    });
    expect(wrong.map(describeImport)).toEqual([]);
  });

  it('has no cycle', () => {
    expect(findCycles(imports)).toEqual([]);
  });

  it('keeps the pure rooms free of I/O, directly and through what they import', () => {
    for (const room of PURE_ROOMS) {
      const loaded = loadedBy(imports, (path) => roomOf(path) === room);
      const outside = [...loaded].filter(([target]) => roomOf(target) === undefined && !PURE_MODULES.includes(target));
      expect(outside.map(([target, from]) => `${from} imports ${target}`)).toEqual([]);
    }
  });

  it('lets only src/cli use chalk and ora', () => {
    const users = imports.filter(({ from, target }) => /^(chalk|ora)$/.test(target) && roomOf(from) !== 'cli');
    expect(users.map(describeImport)).toEqual([]);
  });

  it('lets only open-remote.ts import a remote driver, and lazily', () => {
    const drivers = imports.filter(({ from, kind }) => from === OPENS_DRIVERS && kind === 'lazy').map(({ target }) => target);
    expect(drivers.length).toBeGreaterThan(0);
    const others = imports.filter(
      ({ from, target, kind }) => drivers.includes(target) && !(from === OPENS_DRIVERS && kind === 'lazy'),
    );
    expect(others.map(describeImport)).toEqual([]);
    const intruders = imports.filter(
      ({ from, target }) =>
        target.startsWith('src/lib/cache/remote/') && target !== OPENS_DRIVERS && !from.startsWith('src/lib/cache/remote/'),
    );
    expect(intruders.map(describeImport)).toEqual([]);
  });

  it('loads no part of the engine before a command runs', () => {
    const loaded = loadedBy(imports, (path) => path === 'src/commands/commands.ts');
    const early = [...loaded].filter(
      ([target]) => /^(undici|ora|chalk|zstddec|tar-stream|valibot|node:worker_threads)/.test(target) || isEngine(target),
    );
    expect(early.map(([target, from]) => `${from} imports ${target}`)).toEqual([]);
  });
});

function isEngine(target: string): boolean {
  return ['operations', 'pipeline', 'source', 'http', 'cache', 'compression', 'clip', 'tar', 'layer-index'].includes(
    roomOf(target) ?? '',
  );
}

/** Cycles of files, each once, as `a.ts → b.ts → a.ts`. */
function findCycles(edges: readonly Import[]): string[] {
  const targets = new Map<string, string[]>();
  for (const { from, target } of edges) targets.set(from, [...(targets.get(from) ?? []), target]);
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' → '));
    if (at >= 0 || done.has(path)) return;
    for (const target of targets.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}
