/** A merged tree and the facts of its image as the content of a `.clip` (FORMATS §1 "Values" and "What we write"). */
import { ClipctlError } from '../errors.ts';
import type { Checkpoint, DecodeResult } from '../compression/decoder.ts';
import type { MergedTree } from '../layer-index/entry.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { contentHashOf, type DiffId, type Digest } from '../oci/digest.ts';
import type { ClipGzipCheckpoint, ClipNode, ClipStorageInfo, ComposedClip, ExtensionLayer, ListOf } from './clip-file.ts';
import { composeMetadata, type ClipImage, type ClipOrigin } from './compose-metadata.ts';
import { composeExtensionEntry, composeNode, isNodeKind } from './compose-nodes.ts';

/** What the one pass over a layer found out. */
export interface DecodedLayer extends Omit<DecodeResult, 'decoder'> {
  readonly digest: Digest;
  readonly diffId: DiffId;
  /** sha256 of each 4 MiB of decompressed content, 32 bytes each, concatenated. */
  readonly contentDigests: Uint8Array;
}

export interface ComposeRequest {
  readonly tree: MergedTree;
  readonly image: ClipImage;
  /** One for each distinct layer of the image, or for each layer, in any order. */
  readonly layers: readonly DecodedLayer[];
  /** Where readers shall fetch layers from (`--storage-ref`), instead of where the image came from. */
  readonly origin?: ClipOrigin;
}

/**
 * Composes a `.clip`. Nothing in it depends on anything but the arguments: the same image gives the same file.
 * @throws ClipctlError INTERNAL when a layer of the image was not decoded
 */
export function composeClip(request: ComposeRequest): ComposedClip {
  const decoded = decodedLayersOf(request);
  return {
    nodes: nodesOf(request.tree),
    storageInfo: composeStorageInfo(request, decoded),
    extension: {
      layers: decoded.map(extensionLayerOf),
      entries: request.tree.notable.map(composeExtensionEntry).filter(isDefined),
    },
  };
}

/** The nodes are made while they are read. */
function nodesOf({ entries, notable }: MergedTree): ListOf<ClipNode> {
  return {
    length: entries.length - notable.filter(({ kind }) => !isNodeKind(kind)).length,
    *[Symbol.iterator]() {
      for (const entry of entries) {
        const node = composeNode(entry);
        if (node !== undefined) yield node;
      }
    },
  };
}

interface LayerPair {
  readonly descriptor: LayerDescriptor;
  readonly facts: DecodedLayer;
}

/** Each distinct layer once, in the order of the image: an image may hold one layer twice. */
function decodedLayersOf({ image, layers }: ComposeRequest): readonly LayerPair[] {
  const facts = new Map(layers.map((layer) => [layer.digest, layer]));
  const pairs = new Map<Digest, LayerPair>();
  for (const descriptor of image.layers) {
    const found = facts.get(descriptor.digest);
    if (found === undefined) throw new ClipctlError('INTERNAL', `layer ${descriptor.digest} was not decoded`);
    if (!pairs.has(descriptor.digest)) pairs.set(descriptor.digest, { descriptor, facts: found });
  }
  return [...pairs.values()];
}

function composeStorageInfo({ image, origin = image.origin }: ComposeRequest, decoded: readonly LayerPair[]): ClipStorageInfo {
  const facts = decoded.map((pair) => pair.facts);
  const gzip = facts.filter(({ compression }) => compression === 'gzip');
  const zstd = facts.filter(({ compression }) => compression === 'zstd');
  return {
    registryUrl: origin?.registry ?? '',
    repository: origin?.repository ?? '',
    reference: image.manifestDigest,
    layers: image.layers.map(({ digest }) => digest),
    gzipIndexByLayer: new Map(gzip.map(({ digest, checkpoints }) => [digest, memberStarts(checkpoints)])),
    zstdIndexByLayer: new Map(zstd.map(({ digest, zstdFrames }) => [digest, zstdFrames.filter(hasOutput)])),
    decompressedHashByLayer: new Map(facts.map(({ digest, diffId }) => [digest, contentHashOf(diffId)])),
    imageMetadata: composeMetadata(image, origin),
  };
}

/** Where Go's gzip reader can start: offset 0, and what needs neither history nor a bit offset (point 4). */
function memberStarts(checkpoints: readonly Checkpoint[]): ClipGzipCheckpoint[] {
  const later = checkpoints.filter(
    ({ uncompressedOffset, bit, window }) => uncompressedOffset > 0 && bit === 0 && window.length === 0,
  );
  const start = { compressedOffset: 0, uncompressedOffset: 0 };
  return [start, ...later.map(({ compressedOffset, uncompressedOffset }) => ({ compressedOffset, uncompressedOffset }))];
}

/** Skippable frames (RFC 8878 §3.1.2) hold nothing to read. */
function hasOutput({ uncompressedBytes }: { readonly uncompressedBytes: number }): boolean {
  return uncompressedBytes > 0;
}

function extensionLayerOf({ descriptor, facts }: LayerPair): ExtensionLayer {
  const { digest, diffId, compression, compressedBytes, uncompressedBytes, checkpoints, contentDigests } = facts;
  const { mediaType } = descriptor;
  return { digest, diffId, mediaType, compression, compressedBytes, uncompressedBytes, checkpoints, contentDigests };
}

function isDefined<T>(value: T | undefined): value is T {
  return value !== undefined;
}
