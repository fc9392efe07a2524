import { CHUNK_BYTES } from '../../../../src/lib/cache/chunk-source.ts';
import type { ContentCache, StoreResult } from '../../../../src/lib/cache/content-cache.ts';
import { intercept } from '../../../../src/lib/cache/intercept.ts';
import { openFrameEncoder, type FrameEncoder } from '../../../../src/lib/compression/zstd/frame-encoder.ts';

export async function openEncoder(): Promise<FrameEncoder> {
  const found = await openFrameEncoder(1);
  if (found === undefined) throw new Error('no zstd encoder');
  return found;
}

/** The suite counts what plain content sends; what the packed form sends is in encoded-form.test.ts. */
function asPlain(result: StoreResult, sizeBytes: number): StoreResult {
  return result.skipped ? result : { ...result, sentBytes: sizeBytes, chunks: Math.ceil(sizeBytes / CHUNK_BYTES) };
}

/** Every store packs. The packed form is not listed. */
export async function packing(cache: ContentCache): Promise<ContentCache> {
  const encoder = await openEncoder();
  const storeUnsized = cache.storeUnsized?.bind(cache);
  const packed: { -readonly [Key in keyof ContentCache]: ContentCache[Key] } = {
    ...intercept(cache, {
      look: (signal, call) => call(signal),
      read: (signal, open) => open(signal),
      write: ({ signal, send }) => send({ signal }),
    }),
    capabilities: { ...cache.capabilities, list: false },
    storeContent: async (source, hash, options) =>
      asPlain(await cache.storeContent(source, hash, { ...options, encoder }), options.sizeBytes),
    ...(storeUnsized === undefined
      ? {}
      : { storeUnsized: (source, hash, options) => storeUnsized(source, hash, { ...options, encoder }) }),
  };
  delete packed.listContent;
  return packed;
}
