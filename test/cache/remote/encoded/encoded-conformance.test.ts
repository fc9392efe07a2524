import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CHUNK_BYTES } from '../../../../src/lib/cache/chunk-source.ts';
import type { ContentCache, StoreResult } from '../../../../src/lib/cache/content-cache.ts';
import { intercept } from '../../../../src/lib/cache/intercept.ts';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import { openFrameEncoder, type FrameEncoder } from '../../../../src/lib/compression/zstd/frame-encoder.ts';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { handlesLeftIn } from '../../open-handles.ts';
import { contextForTest } from '../context-for-test.ts';

const encoder = await openEncoder();

async function openEncoder(): Promise<FrameEncoder> {
  const found = await openFrameEncoder(1);
  if (found === undefined) throw new Error('no zstd encoder');
  return found;
}

/** The suite counts what plain content sends; what the packed form sends is in encoded-form.test.ts. */
function asPlain(result: StoreResult, sizeBytes: number): StoreResult {
  return result.skipped ? result : { ...result, sentBytes: sizeBytes, chunks: Math.ceil(sizeBytes / CHUNK_BYTES) };
}

/** Every store packs. The packed form is not listed. */
async function openPacked(url: string): Promise<ContentCache> {
  const cache = await openRemote(url, contextForTest());
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

contentCacheSuite('a file remote that stores the packed form', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-packed-'));
  const url = pathToFileURL(join(directory, 'shared cache')).href;
  return {
    cache: await openPacked(url),
    reopen: () => openPacked(url),
    leftovers: async () => {
      const names = await readdir(join(directory, 'shared cache')).catch(() => []);
      return names.filter((name) => !/^[0-9a-f]{64}\.zst$/.test(name));
    },
    heldHandles: () => handlesLeftIn(directory),
    close: () => rm(directory, { recursive: true, force: true }),
  };
});
