/** What a file imports, how, and from which room of DESIGN §4. */
import { posix } from 'node:path';
import ts from 'typescript';
import { readSources, walk } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

export interface Import {
  readonly from: string;
  /** A path of the checkout, or a package or `node:` module as written. */
  readonly target: string;
  /** `type` leaves nothing at run time; `lazy` is `import()`. */
  readonly kind: 'static' | 'type' | 'lazy';
}

/** All imports of src/. */
export function readImports(): readonly Import[] {
  return readSources('src').flatMap(importsOf);
}

function importsOf(file: SourceFile): Import[] {
  const found: Import[] = [];
  const add = (specifier: ts.Node | undefined, kind: Import['kind']): void => {
    if (specifier === undefined || !ts.isStringLiteral(specifier)) return;
    const target = specifier.text.startsWith('.') ? posix.join(posix.dirname(file.path), specifier.text) : specifier.text;
    found.push({ from: file.path, target, kind });
  };
  walk(file.syntax, (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node) ? 'type' : 'static');
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly ? 'type' : 'static');
    else if (ts.isImportTypeNode(node)) add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, 'type');
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) add(node.arguments[0], 'lazy');
  });
  return found;
}

function isTypeOnly(node: ts.ImportDeclaration): boolean {
  return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

/** `src/lib/cache/disk/read.ts` → `cache`, `src/cli/flags.ts` → `cli`, `src/lib/errors.ts` → `base`, `undici` → undefined. */
export function roomOf(path: string): string | undefined {
  const [top, first = '', second = '', ...rest] = path.split('/');
  if (top !== 'src') return undefined;
  if (first === 'index.ts') return 'entrance';
  if (first !== 'lib') return first;
  return rest.length === 0 && second.endsWith('.ts') ? 'base' : second;
}

/** Everything that loads when `start` loads: static imports, theirs, and so on. */
export function loadedBy(imports: readonly Import[], start: (path: string) => boolean): ReadonlyMap<string, string> {
  const reachedFrom = new Map<string, string>();
  const open = [...new Set(imports.map((each) => each.from).filter(start))];
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    for (const { target } of imports.filter((each) => each.from === path && each.kind === 'static')) {
      if (reachedFrom.has(target)) continue;
      reachedFrom.set(target, path);
      open.push(target);
    }
  }
  return reachedFrom;
}
