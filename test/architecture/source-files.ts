/** The sources as the architecture tests see them: paths relative to the checkout, parsed by TypeScript's own parser. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceFile {
  /** `src/lib/oci/digest.ts` */
  readonly path: string;
  readonly text: string;
  readonly syntax: ts.SourceFile;
}

/** All TypeScript and JavaScript files below these folders. */
export function readSources(...folders: readonly string[]): readonly SourceFile[] {
  return folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|js)$/.test(name))
      .filter((name) => !name.startsWith('fixtures'))
      .sort()
      .map((name) => readSource(posix.join(folder, name.replaceAll('\\', '/')))),
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), 'utf8');
  return { path, text, syntax: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

/** Calls `visit` for each node below `node`. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** Line of a node, counted from 1. */
export function lineOf(file: SourceFile, node: ts.Node): number {
  return file.syntax.getLineAndCharacterOfPosition(node.getStart()).line + 1;
}
