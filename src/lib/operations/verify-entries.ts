/** Path by path: what an index says, and what its image comes to. */
import { isDeepStrictEqual } from 'node:util';
import { textOf, type ByteString } from '../byte-string.ts';
import type { ClipFile, ClipNode, ComposedClip } from '../clip/clip-file.ts';
import type { VerifyProblem } from './verify-results.ts';

/** A wrong index is wrong about a million paths. */
const MAX_LISTED = 20;

/** An index of Go CLIP has its own idea of some paths and attributes; where content lies must be right in it too. */
export function entryProblems(file: ClipFile, expected: ComposedClip): readonly VerifyProblem[] {
  const { extension } = file;
  const isOurs = extension !== undefined;
  const list = new ProblemList(isOurs ? 'error' : 'warning');
  const said = new Map(file.nodes.map((node) => [node.path, node]));
  for (const node of expected.nodes) {
    const found = said.get(node.path);
    said.delete(node.path);
    if (found === undefined) list.add('ENTRY_MISSING', node.path, 'the image has it, the index has not');
    else if (!isDeepStrictEqual(placeOf(found), placeOf(node)))
      list.add('CONTENT_ELSEWHERE', node.path, `the index says ${describe(found)}, the image ${describe(node)}`);
    else if (isOurs && !isDeepStrictEqual(found, node)) list.add('ENTRY_MISMATCH', node.path, 'its attributes are others');
  }
  for (const path of said.keys()) list.add('ENTRY_UNKNOWN', path, 'the index has it, the image has not');
  if (isOurs && !isDeepStrictEqual(extension.entries, expected.extension?.entries))
    list.add('ENTRY_MISMATCH', undefined, 'what the extension adds to its entries is not what the image has');
  return list.problems();
}

/** Where the content of a path lies. */
function placeOf({ remote }: ClipNode): unknown {
  return remote === undefined || remote.length === 0 ? undefined : { ...remote };
}

function describe({ remote }: ClipNode): string {
  return remote === undefined
    ? 'it has no content'
    : `${remote.length} bytes at ${remote.uncompressedOffset} of ${remote.layerDigest.slice(0, 80)}`;
}

type EntryCode = 'ENTRY_MISSING' | 'ENTRY_MISMATCH' | 'ENTRY_UNKNOWN' | 'CONTENT_ELSEWHERE';

class ProblemList {
  readonly #severity: VerifyProblem['severity'];
  readonly #listed: VerifyProblem[] = [];
  #omitted = 0;

  constructor(severity: VerifyProblem['severity']) {
    this.#severity = severity;
  }

  add(code: EntryCode, path: ByteString | undefined, message: string): void {
    // Content that lies elsewhere is read wrong by whoever wrote the index.
    const severity = code === 'CONTENT_ELSEWHERE' ? 'error' : this.#severity;
    if (this.#listed.length < MAX_LISTED)
      this.#listed.push({ code, severity, where: path === undefined ? 'index' : `index ${textOf(path)}`, message });
    else this.#omitted += 1;
  }

  problems(): readonly VerifyProblem[] {
    if (this.#omitted === 0) return this.#listed;
    const message = `${this.#omitted} more entries`;
    return [...this.#listed, { code: 'PROBLEMS_OMITTED', severity: this.#severity, where: 'index', message }];
  }
}
