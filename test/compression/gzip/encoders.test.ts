/** What other people's compressors write: decoded right, and right again from every checkpoint. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import type { Checkpoint } from '../../../src/lib/compression/decoder.ts';
import { createGunzip } from '../../../src/lib/compression/gzip/kernel-gunzip.ts';
import { firstByteOf } from '../../../src/lib/compression/gzip/gunzip-stream.ts';
import { createKernelInflate } from '../../../src/lib/compression/gzip/kernel-inflate.ts';
import { decodeLayer } from '../decode-layer.ts';
import { compress, isToolSkipped } from '../tools.ts';
import { mixedBytes } from './content.ts';

const CONTENT = mixedBytes(1_500_000, 11);
const SMALL = CONTENT.subarray(0, 400_000);

const ENCODERS: readonly (readonly [tool: string, flags: readonly string[], content: Buffer])[] = [
  ['gzip', ['-1', '-c'], CONTENT],
  ['gzip', ['-9', '-c'], CONTENT],
  ['pigz', ['-p', '2', '-b', '128', '-c'], CONTENT],
  ['pigz', ['-i', '-p', '2', '-b', '128', '-c'], CONTENT],
  ['pigz', ['-11', '-I', '1', '-c'], SMALL],
  ['bgzip', ['-c'], CONTENT],
  ['libdeflate-gzip', ['-12', '-c'], CONTENT],
  ['libdeflate-gzip', ['-1', '-c'], CONTENT],
  ['igzip', ['-3', '-c'], CONTENT],
  ['igzip', ['-0', '-c'], CONTENT],
  ['7z', ['a', '-tgzip', '-mx=9', '-si', '-so', 'stdin'], CONTENT],
];

/** A member of its own for each file and for its header, as stargz does. */
function eStargzLike(content: Buffer): Buffer {
  const members: Buffer[] = [];
  for (let at = 0; at < content.length;) {
    const length = at % 3 === 0 ? 512 : 1 + ((at * 7919) % 30_000);
    members.push(gzipSync(content.subarray(at, at + length), { level: 9 }));
    at += length;
  }
  return Buffer.concat(members);
}

async function decodesEverywhere(packed: Buffer, content: Buffer): Promise<void> {
  const decoded = await decodeLayer(packed, {
    create: (options) => createGunzip({ ...options, checkpointIntervalBytes: 100_000 }),
    pieceBytes: [70_000, 333, 1],
  });
  expect(decoded.output.equals(content)).toBe(true);
  expect(decoded.result.decoder).toBe('kernel');
  expect(decoded.result.checkpoints.length).toBeGreaterThan(1);
  for (const checkpoint of decoded.result.checkpoints) {
    expect(readFrom(packed, checkpoint).equals(content.subarray(checkpoint.uncompressedOffset))).toBe(true);
  }
}

function readFrom(packed: Buffer, checkpoint: Checkpoint): Buffer {
  const pieces: Buffer[] = [];
  const span = createKernelInflate({ checkpoint, onOutput: (output) => pieces.push(Buffer.from(output)) });
  span.write(packed.subarray(firstByteOf(checkpoint)));
  span.finish();
  span.close();
  return Buffer.concat(pieces);
}

describe('a layer', () => {
  for (const [tool, flags, content] of ENCODERS) {
    test.skipIf(isToolSkipped(tool))(`made by ${tool} ${flags.join(' ')} decodes, from every checkpoint too`, async () => {
      await decodesEverywhere(compress(tool, flags, content), content);
    });
  }

  test.skipIf(isToolSkipped('zopfli'))('made by zopfli decodes, from every checkpoint too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-zopfli-'));
    try {
      await writeFile(join(folder, 'content'), SMALL);
      await decodesEverywhere(compress('zopfli', ['--i1', '-c', join(folder, 'content')], Buffer.alloc(0)), SMALL);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('of one member for each piece of each file, as eStargz has them, decodes, from every checkpoint too', async () => {
    await decodesEverywhere(eStargzLike(CONTENT), CONTENT);
  });
});
