/**
 * DESIGN §2: every buffer over 64 KiB on the data path comes from pipeline/memory-budget. What allocates there must have a
 * size that can be read off the source, or stand in the list below with the reason why it stays small or apart.
 */
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { readSources, walk } from './source-files.ts';
import type { SourceFile } from './source-files.ts';

const LARGEST_BYTES = 64 * 1024;
const DATA_PATH = /^src\/lib\/(pipeline|cache|compression|source|http)\//;
const BUDGET = 'src/lib/pipeline/memory-budget.ts';

/** `file: expression` → why it is no buffer of the data path over 64 KiB. */
const ALLOWED: Readonly<Record<string, string>> = {
  "src/lib/pipeline/known-layers.ts: Buffer.concat([Buffer.from(VERSION), createHash('sha256').update(packed).digest(), packed])":
    'a layer index on its way to a file: entries and checkpoints, no layer bytes',
  'src/lib/pipeline/known-layer-format.ts: Buffer.concat([prefix, header, ...pages, ...windows, facts.contentDigests])':
    'a layer index on its way to a file: entries and checkpoints, no layer bytes',
  'src/lib/source/archive/archive-store.ts: Buffer.allocUnsafe(sizeBytes)':
    'manifests and configs under a cap; layers are streamed',
  'src/lib/source/image-list/read-image-list.ts: Buffer.concat(pieces)': 'a list of images under a cap of 4 MiB',
  'src/lib/source/archive/saved-image.ts: Buffer.concat(pieces)': 'four bytes to sniff',
  'src/lib/http/read-body.ts: Buffer.concat(pieces)': 'manifests, tokens and error bodies under a cap; layers never pass here',
  'src/lib/pipeline/growth-gate.ts: new BigInt64Array(cell)': 'one number',
  'src/lib/pipeline/window-permit.ts: new Int32Array(new SharedArrayBuffer(4))': 'one number',
  'src/lib/pipeline/aligned-file.ts: new Uint8Array(PIECE_BYTES + WORD_BYTES)': 'less than a piece, at any place in a word',
  'src/lib/pipeline/layer-worker.ts: new Uint8Array(shared)': 'a view of shared memory that the budget lent',
  'src/lib/pipeline/layer-worker.ts: new Uint8Array(link.shared)': 'a view of shared memory that the budget lent',
  'src/lib/cache/content-map.ts: Buffer.concat(digests)': 'digests, 32 bytes for 4 MiB of layer',
  'src/lib/pipeline/span-digests.ts: new Uint8Array(Buffer.concat(this.#digests))': 'a result, 32 bytes a span',
  'src/lib/pipeline/span-digests.ts: Buffer.concat(this.#digests)': 'a result, 32 bytes a span',
};

const BYTES_PER_ELEMENT: Readonly<Record<string, number>> = {
  ArrayBuffer: 1,
  SharedArrayBuffer: 1,
  Uint8Array: 1,
  Int8Array: 1,
  Uint16Array: 2,
  Int16Array: 2,
  Uint32Array: 4,
  Int32Array: 4,
  Float32Array: 4,
  Float64Array: 8,
  BigUint64Array: 8,
  BigInt64Array: 8,
};
const BUFFER_MAKERS = /^Buffer\.(alloc|allocUnsafe|allocUnsafeSlow|concat)$/;

const sources = readSources('src');
const constants = new Map(sources.flatMap(constantsOf));

function constantsOf(file: SourceFile): [string, ts.Expression][] {
  const found: [string, ts.Expression][] = [];
  walk(file.syntax, (node) => {
    if (ts.isVariableDeclaration(node) && node.initializer !== undefined && /^[A-Z0-9_]+$/.test(node.name.getText())) {
      found.push([node.name.getText(), node.initializer]);
    }
  });
  return found;
}

/** The value of a size written as literals, products, shifts, constants and `Math.min`; undefined when only a run can tell. */
function valueOf(node: ts.Expression | undefined): number | undefined {
  if (node === undefined) return 0;
  if (ts.isNumericLiteral(node)) return Number(node.text.replaceAll('_', ''));
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node)) return valueOf(node.expression);
  if (ts.isIdentifier(node)) return constants.has(node.text) ? valueOf(constants.get(node.text)) : undefined;
  if (ts.isCallExpression(node) && node.expression.getText() === 'Math.min') {
    const known = node.arguments.map(valueOf).filter((value) => value !== undefined);
    return known.length === 0 ? undefined : Math.min(...known);
  }
  return ts.isBinaryExpression(node) ? combine(node) : undefined;
}

function combine(node: ts.BinaryExpression): number | undefined {
  const left = valueOf(node.left);
  const right = valueOf(node.right);
  if (left === undefined || right === undefined) return undefined;
  const operator = node.operatorToken.kind;
  if (operator === ts.SyntaxKind.AsteriskToken) return left * right;
  if (operator === ts.SyntaxKind.PlusToken) return left + right;
  if (operator === ts.SyntaxKind.MinusToken) return left - right;
  if (operator === ts.SyntaxKind.LessThanLessThanToken) return left << right;
  return undefined;
}

/** Bytes an expression allocates: Infinity when the source does not tell, undefined when it allocates nothing. */
function allocatedBytes(node: ts.Node): number | undefined {
  if (ts.isCallExpression(node) && BUFFER_MAKERS.test(node.expression.getText())) {
    return node.expression.getText() === 'Buffer.concat' ? Infinity : (valueOf(node.arguments[0]) ?? Infinity);
  }
  if (!ts.isNewExpression(node)) return undefined;
  const bytes = BYTES_PER_ELEMENT[node.expression.getText()];
  if (bytes === undefined || isView(node)) return undefined;
  return bytes * (valueOf(node.arguments?.[0]) ?? Infinity);
}

/** Over memory that exists: `new Uint8Array(buffer, offset, length)`, or over an array of literals. */
function isView(node: ts.NewExpression): boolean {
  const [first] = node.arguments ?? [];
  return (
    (node.arguments?.length ?? 0) > 1 ||
    (first !== undefined && (ts.isArrayLiteralExpression(first) || /\.buffer$/.test(first.getText())))
  );
}

function largeAllocations(file: SourceFile): string[] {
  const found: string[] = [];
  walk(file.syntax, (node) => {
    const bytes = allocatedBytes(node);
    if (bytes !== undefined && bytes > LARGEST_BYTES) found.push(`${file.path}: ${node.getText()}`);
  });
  return found;
}

describe('allocations on the data path', () => {
  const large = sources.filter((file) => DATA_PATH.test(file.path) && file.path !== BUDGET).flatMap(largeAllocations);

  it('come from the memory budget when they are over 64 KiB', () => {
    expect(large.filter((allocation) => !(allocation in ALLOWED))).toEqual([]);
  });

  it('are allowed by name only while they exist', () => {
    expect(Object.keys(ALLOWED).filter((allocation) => !large.includes(allocation))).toEqual([]);
  });

  it('are seen by this test', () => {
    const budget = sources.filter((file) => file.path === BUDGET).flatMap(largeAllocations);
    expect(budget.length).toBeGreaterThan(0);
  });
});
