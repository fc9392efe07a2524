import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OpenStreams } from '../../src/lib/http/open-streams.ts';
import { MemoryBudget } from '../../src/lib/pipeline/memory-budget.ts';
import { openResumed } from '../../src/lib/pipeline/resumed-blob.ts';
import { handlesLeftIn, openHandlesIn } from '../cache/open-handles.ts';
import { startRandomRegistry, type RandomRegistry } from '../source/random-registry.ts';

const MIB = 1024 * 1024;
const LAYER_BYTES = 26 * MIB;
const KEPT_BYTES = 2 * MIB;
const { signal } = new AbortController();
let lab: RandomRegistry;
let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-resumed-'));
  lab = await startRandomRegistry(LAYER_BYTES);
});
afterEach(async () => {
  await lab.close();
  await rm(directory, { recursive: true });
});

/** A layer of which a spool holds the first bytes, the rest from a slow server; and what the budget has lent. */
async function openSpooled() {
  const memory = new MemoryBudget(32 * MIB);
  const { source, layer } = await lab.openLayer({ parallel: { memory, streams: new OpenStreams(), connections: 4 } });
  const spoolPath = join(directory, 'spool');
  await writeFile(spoolPath, randomBytes(KEPT_BYTES));
  const aheadPath = join(directory, 'ahead');
  await writeFile(aheadPath, Buffer.alloc(64 * 1024));
  const journal = {
    spoolPath,
    aheadPath,
    journalPath: join(directory, 'journal'),
    resume: { kind: 'spool', keptBytes: KEPT_BYTES },
  };
  lab.script(() => ({ bytesPerSecond: 1_000_000 }));
  const blob = openResumed(source, layer, { journal: journal as never, isRefetch: false });
  return { bytes: await blob.open(signal), memory };
}

test.each([
  ['among the kept bytes', KEPT_BYTES / 2],
  ['among those of the registry', KEPT_BYTES + MIB / 4],
])('who leaves %s leaves no file, no connection and no memory behind', async (_, leaveAt) => {
  const { bytes, memory } = await openSpooled();
  expect(await openHandlesIn(directory)).not.toEqual([]);
  let taken = 0;
  for await (const piece of bytes) {
    taken += piece.byteLength;
    if (taken >= leaveAt) break;
  }
  expect(await handlesLeftIn(directory)).toEqual([]);
  expect(memory.usedBytes).toBe(0);
  const [blob] = lab.registry.requests.filter(({ headers }) => headers['range'] !== undefined);
  const servedBytes = blob?.bytesServed ?? 0;
  await new Promise((resolve) => setTimeout(resolve, 300));
  // Nobody takes any more of it.
  expect((blob?.bytesServed ?? 0) - servedBytes).toBeLessThan(MIB / 4);
});
