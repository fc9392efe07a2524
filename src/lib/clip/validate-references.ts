/** References of files into layers: known, inside, as long as the file, and not on top of each other. */
import type { ByteString } from '../byte-string.ts';
import type { ClipFile, ClipNode, ClipRemote, ExtensionEntry } from './clip-file.ts';
import type { ReportProblem } from './clip-problem.ts';

interface Reference extends ClipRemote {
  readonly path: ByteString;
  readonly ino: bigint;
}

export function validateReferences(file: ClipFile, report: ReportProblem): void {
  const facts: LayerFacts = {
    known: new Set(file.storageInfo.layers),
    lengthOf: new Map(file.extension?.layers.map((layer) => [layer.digest, layer.uncompressedBytes])),
  };
  const inExtension = new Set(file.extension?.entries.filter(hasContent).map((entry) => entry.path));
  const byLayer = new Map<string, Reference[]>();
  for (const node of file.nodes) {
    const { path, remote } = node;
    if (remote === undefined) {
      checkContentless(node, { isInExtension: inExtension.has(path) }, report);
      continue;
    }
    const reference = referenceOf(node, remote);
    checkReference(reference, facts, report);
    checkLength(node, remote, report);
    const references = byLayer.get(remote.layerDigest);
    if (references === undefined) byLayer.set(remote.layerDigest, [reference]);
    else references.push(reference);
  }
  for (const [layer, references] of byLayer) checkOverlaps(layer, references, report);
}

/** Field by field: there may be millions, and a spread costs ten times as much. */
function referenceOf({ path, attr }: ClipNode, { layerDigest, uncompressedOffset, length }: ClipRemote): Reference {
  return { layerDigest, uncompressedOffset, length, path, ino: attr.ino };
}

/** A sparse file, or another name of one: its node can't say where it lies. */
function hasContent({ sparse, hardLinkTo }: ExtensionEntry): boolean {
  return sparse !== undefined || hardLinkTo !== undefined;
}

function checkContentless(
  { path, nodeType, attr, dataLen }: ClipNode,
  { isInExtension }: { isInExtension: boolean },
  report: ReportProblem,
): void {
  if (nodeType !== 'file' || attr.size === 0n || dataLen > 0 || isInExtension) return;
  report({ code: 'CONTENT_MISSING', severity: 'error', message: `${attr.size} bytes, and no word on where they lie`, path });
}

function checkLength({ path, nodeType, attr }: ClipNode, { length }: ClipRemote, report: ReportProblem): void {
  if (nodeType !== 'file' || attr.size === BigInt(length)) return;
  const message = `it has ${attr.size} bytes and refers to ${length}`;
  report({ code: 'REFERENCE_SIZE_MISMATCH', severity: 'error', message, path });
}

interface LayerFacts {
  readonly known: ReadonlySet<string>;
  readonly lengthOf: ReadonlyMap<string, number>;
}

function checkReference(
  { path, layerDigest: layer, uncompressedOffset, length }: Reference,
  { known, lengthOf }: LayerFacts,
  report: ReportProblem,
): void {
  if (!known.has(layer))
    report({ code: 'LAYER_UNKNOWN', severity: 'error', message: 'it lies in a layer that the image does not have', path, layer });
  const end = uncompressedOffset + length;
  if (uncompressedOffset < 0 || length < 0 || !Number.isSafeInteger(end)) {
    const message = `${length} bytes at ${uncompressedOffset} are no range`;
    return report({ code: 'REFERENCE_INVALID', severity: 'error', message, path, layer });
  }
  const layerBytes = lengthOf.get(layer);
  if (layerBytes === undefined || end <= layerBytes) return;
  const message = `it ends at ${end}, its layer at ${layerBytes}`;
  report({ code: 'REFERENCE_BEYOND_LAYER', severity: 'error', message, path, layer });
}

/** Names of one file (hard links) share their inode and their range; everything else in a tar lies apart. */
function checkOverlaps(layer: string, references: Reference[], report: ReportProblem): void {
  const ordered = references.filter(({ length }) => length > 0).sort(byOffset);
  let reach: Reference | undefined;
  for (const reference of ordered) {
    if (reach !== undefined && reference.uncompressedOffset < endOf(reach) && !isSameFile(reach, reference)) {
      report({
        code: 'REFERENCES_OVERLAP',
        severity: 'warning',
        message: 'its bytes are also those of another file',
        path: reference.path,
        layer,
      });
    }
    if (reach === undefined || endOf(reference) > endOf(reach)) reach = reference;
  }
}

function isSameFile(one: Reference, other: Reference): boolean {
  return one.ino === other.ino && one.uncompressedOffset === other.uncompressedOffset && one.length === other.length;
}

function byOffset(left: Reference, right: Reference): number {
  return left.uncompressedOffset - right.uncompressedOffset;
}

function endOf({ uncompressedOffset, length }: ClipRemote): number {
  return uncompressedOffset + length;
}
