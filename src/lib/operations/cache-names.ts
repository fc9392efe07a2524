/** Which layers a person means: an image that was warmed here, a digest or a diffID; else an image that has to be asked. */
import { readImageRecords, type StoredImageRecord } from '../cache/disk/image-records.ts';
import { surveyCache } from '../cache/disk/survey.ts';
import { contentHashOf, digestOfHash, isDigest, parseContentHash, type ContentHash, type DiffId } from '../oci/digest.ts';
import { durableName } from './durable-name.ts';
import { openImage } from './open-image.ts';
import type { Session } from './open-session.ts';

export interface NamedLayers {
  /** As it is kept. */
  readonly name: string;
  readonly diffIds: readonly DiffId[];
}

/** @throws ClipctlError REFERENCE_INVALID; for an image that was never warmed here, what its source says */
export async function layersNamed(session: Session, text: string): Promise<NamedLayers> {
  const digest = /^[0-9a-f]{64}$/.test(text) ? digestOfHash(parseContentHash(text, 'argument')) : text;
  if (isDigest(digest)) return { name: digest, diffIds: await diffIdsOf(session, digest) };
  const name = durableName(text);
  const known = (await readImageRecords(session.options.cacheDir)).filter(({ image }) => image === name);
  if (known.length > 0) return { name, diffIds: unique(known.flatMap(({ layers }) => layers.map(({ diffId }) => diffId))) };
  const opened = await openImage(session, text);
  return { name, diffIds: unique(opened.layers.map(({ diffId }) => diffId)) };
}

/** A compressed digest is known by the records; one that no record knows is taken for a diffID. */
async function diffIdsOf(session: Session, digest: DiffId): Promise<DiffId[]> {
  const { layers } = await surveyCache(session.options.cacheDir, session);
  const seen = layers.filter(({ digestsSeen }) => digestsSeen.some((form) => form.digest === digest));
  return seen.length > 0 ? seen.map(({ hash }) => digestOfHash(hash)) : [digest];
}

/** The images that use each layer, by diffID hash; the last used first. */
export function imagesByLayer(records: readonly StoredImageRecord[]): ReadonlyMap<ContentHash, readonly StoredImageRecord[]> {
  const users = new Map<ContentHash, StoredImageRecord[]>();
  for (const record of records) {
    for (const diffId of unique(record.layers.map((layer) => layer.diffId))) {
      const hash = contentHashOf(diffId);
      users.set(hash, [...(users.get(hash) ?? []), record]);
    }
  }
  return users;
}

/** What to call the images of a layer; one that was warmed for two platforms is named once. */
export function namesOf(records: readonly StoredImageRecord[] = []): string[] {
  return unique(records.map(({ image }) => image));
}

function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
