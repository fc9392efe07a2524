/** Paths of the index: absolute, cleaned, sorted, each once, and every parent a directory (FORMATS.md §1 "Values"). */
import type { ByteString } from '../byte-string.ts';
import type { ClipNode } from './clip-file.ts';
import type { ClipProblemCode, ReportProblem } from './clip-problem.ts';

const ROOT = '/' as ByteString;
const FILE_TYPE_MASK = 0o170000;
/** File type bits of `stat(2)` for CLIP's node types. */
const FILE_TYPE_OF: Readonly<Record<string, number>> = { dir: 0o040000, file: 0o100000, symlink: 0o120000 };

export function validatePaths(nodes: readonly ClipNode[], report: ReportProblem): void {
  const typeOf = new Map<ByteString, string>();
  let previous: ByteString | undefined;
  for (const { path, nodeType, attr } of nodes) {
    checkForm(path, report);
    checkType(path, { nodeType, mode: attr.mode }, report);
    if (typeOf.has(path)) report({ code: 'PATH_DUPLICATE', severity: 'error', message: 'it stands in the index twice', path });
    else if (previous !== undefined && path < previous) {
      report({ code: 'NODES_NOT_SORTED', severity: 'error', message: 'it stands behind a path that sorts after it', path });
    }
    typeOf.set(path, nodeType);
    previous = path;
  }
  if (typeOf.get(ROOT) !== 'dir') report({ code: 'ROOT_MISSING', severity: 'error', message: 'the index has no directory /' });
  checkParents(typeOf, report);
}

function checkForm(path: ByteString, report: ReportProblem): void {
  const found = problemOfPath(path);
  if (found !== undefined) report({ ...found, severity: 'error', path });
}

function problemOfPath(path: ByteString): { code: ClipProblemCode; message: string } | undefined {
  if (path === ROOT || isPlain(path)) return undefined;
  if (path.includes('\0')) return { code: 'PATH_NUL', message: 'a NUL byte in a path' };
  const names = path.split('/');
  if (names.includes('..')) return { code: 'PATH_TRAVERSAL', message: 'it leaves its directory with ..' };
  if (names[0] !== '' || names.length < 2) return { code: 'PATH_NOT_ABSOLUTE', message: 'it does not start with /' };
  if (names.indexOf('', 1) !== -1 || names.includes('.')) {
    return { code: 'PATH_NOT_CLEAN', message: 'it has an empty name, a "." or a slash at its end' };
  }
  return undefined;
}

/** Most are, and are known without being taken apart: no name is empty or begins with a dot. */
function isPlain(path: ByteString): boolean {
  return path.startsWith('/') && !path.endsWith('/') && !path.includes('/.') && !path.includes('//') && !path.includes('\0');
}

interface TypeAndMode {
  readonly nodeType: string;
  readonly mode: number;
}

function checkType(path: ByteString, { nodeType, mode }: TypeAndMode, report: ReportProblem): void {
  const fileType = Object.hasOwn(FILE_TYPE_OF, nodeType) ? FILE_TYPE_OF[nodeType] : undefined;
  if (fileType === undefined) {
    const message = `node type ${JSON.stringify(nodeType.slice(0, 40))} is not known`;
    return report({ code: 'NODE_TYPE_UNKNOWN', severity: 'warning', message, path });
  }
  if ((mode & FILE_TYPE_MASK) !== fileType) {
    const message = `a ${nodeType} with mode ${mode.toString(8)}`;
    report({ code: 'NODE_TYPE_MODE_MISMATCH', severity: 'warning', message, path });
  }
}

function checkParents(typeOf: ReadonlyMap<ByteString, string>, report: ReportProblem): void {
  for (const path of typeOf.keys()) {
    const slash = path.lastIndexOf('/');
    if (path === ROOT || slash === -1) continue;
    const parent = slash === 0 ? ROOT : (path.slice(0, slash) as ByteString);
    const parentType = typeOf.get(parent);
    if (parentType === 'dir' || (parentType === undefined && parent === ROOT)) continue;
    if (parentType === undefined)
      report({ code: 'PARENT_MISSING', severity: 'warning', message: 'its directory is not in the index', path });
    else
      report({
        code: 'PARENT_NOT_DIRECTORY',
        severity: 'error',
        message: `what it lies in is a ${JSON.stringify(parentType.slice(0, 40))}`,
        path,
      });
  }
}
