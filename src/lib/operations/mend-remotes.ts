/** `warm --to URL --verify … --repair-remote`: what a remote turned out to have wrong is overwritten from the disk cache. */
import type { ContentCache } from '../cache/content-cache.ts';
import type { LayerDescriptor } from '../oci/descriptor.ts';
import type { Session } from './open-session.ts';
import type { RemoteTally } from './remote-tally.ts';
import type { Verification } from './results.ts';
import { sendLayer, settleSends } from './send-layer.ts';
import { sizeOnDisk } from './tiers.ts';

export interface MendRequest {
  /** What was found. */
  readonly verification: Verification;
  /** Those that may be written to. */
  readonly remotes: readonly ContentCache[];
  readonly layers: readonly LayerDescriptor[];
  readonly tally: RemoteTally;
}

/** Never fails for what a remote does: that is counted. @returns whether anything was overwritten @throws the signal's reason */
export async function mendRemotes(session: Session, { verification, remotes, layers, tally }: MendRequest): Promise<boolean> {
  const mended: boolean[] = [];
  for (const { tier, wrong } of verification.tiers) {
    const remote = remotes.find(({ url }) => url === tier);
    for (const { diffId, reason } of remote === undefined ? [] : wrong) {
      const layer = layers.find((each) => each.diffId === diffId);
      if (remote === undefined || layer === undefined) continue;
      tally.noteReadFailure({ url: tier, error: new Error(reason), corrupt: true }, layer.digest);
      mended.push(await overwrite(session, { remote, layer, tally }));
    }
  }
  return mended.includes(true);
}

interface Overwrite {
  readonly remote: ContentCache;
  readonly layer: LayerDescriptor;
  readonly tally: RemoteTally;
}

async function overwrite(session: Session, { remote, layer, tally }: Overwrite): Promise<boolean> {
  const { digest, diffId } = layer;
  const sizeBytes = await sizeOnDisk(session, layer);
  if (sizeBytes === undefined) return false;
  const { results, failures } = await settleSends([remote], () =>
    sendLayer(session, remote, { digest, diffId, sizeBytes, replace: true }),
  );
  for (const { url, result } of results) tally.noteStored(url, result, { isRepair: true });
  for (const { url, error } of failures) tally.noteStoreFailure(url, error, digest);
  return results.length > 0;
}
