/** What of a layer in spans another process finds: RELIABILITY §2 row 1. */
import { open, readFile, writeFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { IngestFile } from '../../src/lib/cache/disk/ingest-file.ts';
import { digestOfHash } from '../../src/lib/oci/digest.ts';
import { spanTransferKey } from '../../src/lib/pipeline/ingest-spans.ts';
import type { SpanRun } from '../../src/lib/pipeline/span-plan.ts';
import { SpanTransfer } from '../../src/lib/pipeline/span-transfer.ts';
import { makeCacheDirectory, type CacheDirectory } from '../cache/cache-directory.ts';
import { seededContent } from '../cache/seeded-content.ts';

const MIB = 1024 * 1024;
const content = seededContent(61, 16 * MIB);
const diffId = digestOfHash(content.hash);
const mediaType = 'application/vnd.oci.image.layer.v1.tar';
const layer = {
  digest: diffId,
  diffId,
  sizeBytes: content.sizeBytes,
  mediaType,
  annotations: new Map<string, string>(),
  urls: [],
};

let dir: CacheDirectory;
beforeEach(async () => {
  dir = await makeCacheDirectory();
});
afterEach(() => dir.remove());

/** A run of a plain layer. */
function run(startMib: number, endMib: number): SpanRun {
  const [start, end] = [startMib * MIB, endMib * MIB];
  return { compressedStart: start, compressedEnd: end, uncompressedStart: start, uncompressedEnd: end };
}

/** As a process that starts now begins it. */
async function begin(): Promise<{ readonly ingest: IngestFile; readonly transfer: SpanTransfer }> {
  const ingest = await dir.open().beginIngest({ hash: content.hash, transfer: spanTransferKey(layer) });
  return { ingest, transfer: await SpanTransfer.open(ingest, { parallel: 2 }) };
}

async function* piecesFrom(start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += 64 * 1024) yield await Promise.resolve(content.slice(at, Math.min(64 * 1024, end - at)));
}

/** Takes bytes of a run up to an offset of the layer; gives where the first fetched one was. */
async function take(transfer: SpanTransfer, one: SpanRun, until: number): Promise<{ fetchedFrom: number; bytes: Buffer }> {
  const taken: Uint8Array[] = [];
  let fetchedFrom = one.compressedEnd;
  for await (const piece of transfer.begin(one).bytes((start) => {
    fetchedFrom = start;
    return Promise.resolve(piecesFrom(start, until));
  }))
    taken.push(Buffer.from(piece));
  return { fetchedFrom, bytes: Buffer.concat(taken) };
}

async function write(path: string, { uncompressedStart: start, uncompressedEnd: end }: SpanRun): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(content.slice(start, end - start), 0, end - start, start);
  await file.close();
}

/** As if the journal had been written before the machine was started. */
async function startMachineAnew(journalPath: string): Promise<void> {
  const [header = '', ...lines] = (await readFile(journalPath, 'utf8')).split('\n');
  const json = JSON.stringify({ ...(JSON.parse(header.slice(9)) as object), boot: 'another' });
  const crc = crc32(json).toString(16).padStart(8, '0');
  await writeFile(journalPath, [`${crc} ${json}`, ...lines].join('\n'));
}

it('a run that is done is done for the next process, however that one cuts the layer', async () => {
  const { ingest, transfer } = await begin();
  for (const one of [run(0, 4), run(4, 8)]) {
    await take(transfer, one, one.compressedEnd);
    await write(ingest.path, one);
    await transfer.begin(one).done();
  }
  await transfer.close();
  const next = await begin();
  expect(next.ingest.journal?.resume).toMatchObject({ kind: 'spans', keptBytes: 8 * MIB });
  expect([run(0, 4), run(4, 8), run(2, 6), run(0, 8)].map((one) => next.transfer.isDone(one))).toEqual([true, true, true, true]);
  expect([run(0, 9), run(8, 12)].map((one) => next.transfer.isDone(one))).toEqual([false, false]);
  await next.transfer.close();
});

it('a run counts once, at once after a kill, and after a power loss when it was flushed', async () => {
  const { ingest, transfer } = await begin();
  const note = async (one: SpanRun): Promise<void> => {
    await write(ingest.path, one);
    await transfer.begin(one).done();
  };
  await note(run(0, 4));
  // Flushes are rare: by then one is due, which brings both to disk.
  await setTimeout(550);
  await note(run(4, 8));
  await note(run(8, 12));
  await transfer.close();
  const killed = (await begin()).ingest.journal;
  expect(killed?.resume).toMatchObject({ kind: 'spans', keptBytes: 12 * MIB });
  await startMachineAnew(killed?.journalPath ?? '');
  expect((await begin()).ingest.journal?.resume).toMatchObject({ kind: 'spans', keptBytes: 8 * MIB });
});

it('a run under way is gone on with where it stopped, byte for byte, over several pieces of the file, and again', async () => {
  const one = run(4, 14);
  let stoppedAt = 0;
  for (const until of [9 * MIB, 11 * MIB]) {
    const { transfer } = await begin();
    stoppedAt = (await take(transfer, one, until)).fetchedFrom;
    await transfer.close();
  }
  expect(stoppedAt).toBe(9 * MIB);
  const { transfer } = await begin();
  const { fetchedFrom, bytes } = await take(transfer, one, one.compressedEnd);
  expect(fetchedFrom).toBe(11 * MIB);
  expect(bytes.equals(content.slice(4 * MIB, 10 * MIB))).toBe(true);
  await transfer.close();
});

it('what was stopped as one stream is no layer in spans, nor the other way round', async () => {
  const { transfer } = await begin();
  await take(transfer, run(0, 8), 4 * MIB);
  await transfer.close();
  const { digest, sizeBytes } = layer;
  const key = { digest, sizeBytes, diffId, checkpointIntervalBytes: 0 };
  const stream = await dir.open().beginIngest({ hash: content.hash, transfer: key });
  expect(stream.journal?.resume).toBeUndefined();
  expect((await begin()).ingest.journal?.resume).toBeUndefined();
});
