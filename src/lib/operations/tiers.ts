/** A layer's way through the tiers, nearest first: disk, then remotes, then where the image is (DESIGN §1). */
import type { ContentCache } from '../cache/content-cache.ts';
import { fillFromRemote } from '../cache/tiered.ts';
import { ClipctlError, isAbort } from '../errors.ts';
import { contentHashOf } from '../oci/digest.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import { ingestLayer } from '../pipeline/ingest-layer.ts';
import type { ImageSource } from '../source/image-source.ts';
import type { Session } from './open-session.ts';
import type { ServedBy } from './results.ts';

export interface WarmLayerRequest {
  readonly layer: LayerDescriptor;
  readonly remotes: readonly ContentCache[];
  /** Asked only when no nearer tier has the layer. */
  readonly source: () => ImageSource;
}

export interface ServedLayer {
  readonly servedBy: ServedBy;
  readonly uncompressedBytes: number;
  /** Bytes that came over a network or from a remote cache. */
  readonly downloadedBytes: number;
  /** Remotes that failed or held wrong bytes on the way. */
  readonly warnings: readonly string[];
}

/** Size of the layer when it stands verified on disk; a file nobody vouches for is hashed first. */
export async function sizeOnDisk(session: Session, layer: LayerDescriptor): Promise<number | undefined> {
  const hash = contentHashOf(layer.diffId);
  const state = await session.disk.checkLayer(hash);
  if (state === 'missing' || state === 'bad') return undefined;
  if (state === 'unverified' && (await session.disk.verifyLayer(hash, { signal: session.signal })) !== 'verified')
    return undefined;
  return (await session.disk.contentExists(hash, { signal: session.signal }))?.sizeBytes;
}

/** Brings a layer into the disk cache. @throws ClipctlError of the last tier asked */
export async function warmLayer(session: Session, request: WarmLayerRequest): Promise<ServedLayer> {
  const { layer } = request;
  const onDisk = await sizeOnDisk(session, layer);
  if (onDisk !== undefined) {
    session.onProgress({ type: 'layer-skip', layer: layer.digest, reason: 'on disk' });
    return { servedBy: 'disk', uncompressedBytes: onDisk, downloadedBytes: 0, warnings: [] };
  }
  const { filled, warnings } = await fillFromRemotes(session, request);
  if (filled !== undefined) return { servedBy: 'remote', uncompressedBytes: filled, downloadedBytes: filled, warnings };
  const source = request.source();
  const { facts, readBytes } = await ingestLayer(session, { layer, source, scan: false, keep: true });
  const downloadedBytes = source.kind === 'registry' ? readBytes : 0;
  return { servedBy: source.kind, uncompressedBytes: facts.uncompressedBytes, downloadedBytes, warnings };
}

async function fillFromRemotes(
  session: Session,
  { layer, remotes }: WarmLayerRequest,
): Promise<{ filled?: number; warnings: string[] }> {
  const warnings: string[] = [];
  for (const remote of remotes) {
    try {
      const filled = await fillFromRemote(remote, session.disk, contentHashOf(layer.diffId), { signal: session.signal });
      if (filled === undefined) continue;
      session.onProgress({
        type: 'layer-done',
        layer: layer.digest,
        action: 'download',
        bytes: filled.sizeBytes,
        note: `from ${remote.url}`,
      });
      return { filled: filled.sizeBytes, warnings };
    } catch (error) {
      if (isAbort(error) || (error instanceof ClipctlError && error.code.startsWith('STORAGE_'))) throw error;
      // A remote is a help, never a need: the next tier serves, and the warning says why it took longer.
      warnings.push(
        `remote cache ${remote.url} could not serve layer ${layer.digest}: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
  return { warnings };
}
