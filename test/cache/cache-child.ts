/** A process of its own that works on a cache directory; bundled by cache-process.ts. Prints one JSON line a result. */
import { DiskCache, openDiskCache } from '../../src/lib/cache/disk/disk-cache.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { ClipctlError, errorCodeOf } from '../../src/lib/errors.ts';
import { parseContentHash } from '../../src/lib/oci/digest.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { contextForTest } from './remote/context-for-test.ts';
import { drain, seededContent } from './seeded-content.ts';

const signal = new AbortController().signal;

async function run([verb = '', where = '', ...rest]: string[]): Promise<object> {
  const cache = where.startsWith('file:')
    ? await openRemote(where, contextForTest())
    : openDiskCache(where, { budget: new MemoryBudget() });
  if (verb === 'store') {
    const content = seededContent(Number(rest[0]), Number(rest[1]));
    const result = await cache.storeContent(content.source(), content.hash, { sizeBytes: content.sizeBytes, signal });
    return { hash: content.hash, ...result };
  }
  const hash = parseContentHash(rest[0] ?? '', 'argument');
  const stream = await cache.getContent(hash, { signal });
  const found = stream === undefined ? undefined : (await drain(stream)).hash;
  const verified = cache instanceof DiskCache ? await cache.verifyLayer(hash, { signal }) : undefined;
  return { found, verified, exists: (await cache.contentExists(hash, { signal })) !== undefined };
}

try {
  process.stdout.write(`${JSON.stringify(await run(process.argv.slice(2)))}\n`);
} catch (error) {
  const message = error instanceof ClipctlError ? error.message : String(error);
  process.stdout.write(`${JSON.stringify({ code: errorCodeOf(error), message })}\n`);
}
