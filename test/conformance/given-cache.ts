/** What the cases of the conformance suite stand on. */
import { setMaxListeners } from 'node:events';
import { inspect } from 'node:util';
import { expect } from 'vitest';
import type { ContentCache } from '../../src/lib/cache/content-cache.ts';
import type { ContentHash } from '../../src/lib/oci/digest.ts';
import { drain } from '../cache/seeded-content.ts';
import type { SeededContent } from '../cache/seeded-content.ts';

export interface CacheUnderTest {
  readonly cache: ContentCache;
  /** The same cache seen by a process that starts now; a server behind it was restarted. */
  reopen(): Promise<ContentCache>;
  /** Ends the server and starts it again, with what it has; absent where there is none. */
  restartServer?(): Promise<void>;
  /** What a failed store left behind: temporary files, open uploads, keys. */
  leftovers(): Promise<readonly string[]>;
  /** Handles or connections that are still held although nobody reads. */
  heldHandles(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Given {
  readonly cache: () => ContentCache;
  readonly under: () => CacheUnderTest;
  /** The error of `action`, kept for the search for secrets. */
  readonly failure: (action: Promise<unknown>) => Promise<unknown>;
}

export const signal = new AbortController().signal;
// As a session does with the signal of its run: each of many streams at once listens, and Node would warn of a leak at eleven.
setMaxListeners(0, signal);

export async function store(cache: ContentCache, content: SeededContent): Promise<void> {
  await cache.storeContent(content.source(), content.hash, { sizeBytes: content.sizeBytes, signal });
}

export async function expectNothingVisible({ cache, under }: Given, hash: ContentHash): Promise<void> {
  for (const seen of [cache(), await under().reopen()]) {
    expect(await seen.contentExists(hash, { signal })).toBeUndefined();
    expect(await seen.getContent(hash, { signal })).toBeUndefined();
    expect(await listOf(seen)).not.toContain(hash);
  }
}

export async function listOf(cache: ContentCache): Promise<string[]> {
  const hashes: string[] = [];
  if (cache.listContent === undefined) return hashes;
  for await (const { hash } of cache.listContent({ signal })) hashes.push(hash);
  return hashes.sort();
}

export async function readAll(cache: ContentCache, content: SeededContent): Promise<{ sizeBytes: number; hash: string }> {
  const stream = await cache.getContent(content.hash, { signal });
  const { sizeBytes, hash } = await drain(stream);
  return { sizeBytes, hash };
}

export function expectNoSecret(error: unknown, secrets: readonly string[]): void {
  const shown = inspect(error, { depth: 10, showHidden: true });
  for (const secret of secrets) expect(shown).not.toContain(secret);
}
