/**
 * Compares what is read out of a `.clip` of ours with what Go CLIP wrote for the same image. Go CLIP is the judge of the
 * format, not of how layers are merged, so differences are expected: each one has to be listed, with its reason.
 */
import { isDeepStrictEqual } from 'node:util';
import { rawPathOf, type DumpDocument, type DumpNode } from './dump.ts';

export interface Difference {
  /** Path of a node (raw bytes as latin1), or `storageInfo`. */
  readonly subject: string;
  /** Field of the node or of the storage info; `node` when only one side has it; `order`. */
  readonly field: string;
  readonly ours: unknown;
  readonly theirs: unknown;
}

export interface KnownDifference {
  readonly subject: string;
  readonly fields: readonly string[];
  readonly reason: string;
}

/** Every difference, in the order of the paths. */
export function compareDumps(ours: DumpDocument, theirs: DumpDocument): Difference[] {
  const ourNodes = byPath(ours.nodes);
  const theirNodes = byPath(theirs.nodes);
  const paths = [...new Set([...ourNodes.keys(), ...theirNodes.keys()])].sort();
  const differences = paths.flatMap((path) => compareNodes(path, ourNodes.get(path), theirNodes.get(path)));
  if (!isSorted(ours.nodes)) differences.push({ subject: 'nodes', field: 'order', ours: 'not sorted', theirs: 'sorted' });
  return [...differences, ...compareStorageInfo(ours, theirs)];
}

export interface Judgement {
  /** Differences that no reason stands for. */
  readonly unexplained: readonly Difference[];
  /** `subject field` of reasons for what does not differ (any more). */
  readonly stale: readonly string[];
}

/** Holds the differences against the list of known ones. */
export function judgeDifferences(differences: readonly Difference[], known: readonly KnownDifference[]): Judgement {
  const key = (subject: string, field: string): string => `${subject} ${field}`;
  const explained = new Set(known.flatMap(({ subject, fields }) => fields.map((field) => key(subject, field))));
  const found = new Set(differences.map(({ subject, field }) => key(subject, field)));
  return {
    unexplained: differences.filter(({ subject, field }) => !explained.has(key(subject, field))),
    stale: [...explained].filter((reason) => !found.has(reason)),
  };
}

function byPath(nodes: readonly DumpNode[]): Map<string, DumpNode> {
  return new Map(nodes.map((node) => [rawPathOf(node), node]));
}

/** Strictly: one path twice is not sorted. */
function isSorted(nodes: readonly DumpNode[]): boolean {
  const paths = nodes.map(rawPathOf);
  return paths.every((path, index) => index === 0 || (paths[index - 1] ?? '') < path);
}

function compareNodes(subject: string, ours: DumpNode | undefined, theirs: DumpNode | undefined): Difference[] {
  if (ours === undefined || theirs === undefined) {
    return [{ subject, field: 'node', ours: ours && 'there', theirs: theirs && 'there' }];
  }
  // The octal form of the mode is there for readers of the dump.
  return compareFields(subject, { ...ours, modeOctal: '' }, { ...theirs, modeOctal: '' });
}

function compareStorageInfo({ storageInfo: ours }: DumpDocument, { storageInfo: theirs }: DumpDocument): Difference[] {
  const { ImageMetadata: ourMetadata, ...ourRest } = ours;
  const { ImageMetadata: theirMetadata, ...theirRest } = theirs;
  return [
    ...compareFields('storageInfo', ourRest, theirRest),
    ...compareFields('storageInfo.ImageMetadata', asRecord(ourMetadata), asRecord(theirMetadata)),
  ];
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function compareFields(subject: string, ours: object, theirs: object): Difference[] {
  const left = new Map<string, unknown>(Object.entries(ours));
  const right = new Map<string, unknown>(Object.entries(theirs));
  return [...new Set([...left.keys(), ...right.keys()])]
    .filter((field) => !isDeepStrictEqual(left.get(field), right.get(field)))
    .map((field) => ({ subject, field, ours: left.get(field), theirs: right.get(field) }));
}
