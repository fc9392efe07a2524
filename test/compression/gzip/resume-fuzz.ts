/** Streams of random structure once more, with checkpoints: they change no verdict and no byte, and each is a place to start from. */
import { crc32 } from 'node:zlib';
import type { Checkpoint } from '../../../src/lib/compression/decoder.ts';
import { firstByteOf, GunzipStream } from '../../../src/lib/compression/gzip/gunzip-stream.ts';
import { borrowKernel, returnKernel } from '../../../src/lib/compression/gzip/inflate-kernel.ts';
import { createKernelInflate } from '../../../src/lib/compression/gzip/kernel-inflate.ts';
import { checkedKernelModule } from '../../../src/lib/compression/gzip/kernel-check.ts';
import { errorCodeOf } from '../../../src/lib/errors.ts';
import type { Random } from './build-deflate.ts';
import { caseOf, kernelVerdict, type Verdict } from './kernel-fuzz.ts';

/** Some checkpoints lie nearer to each other than a window is long, some farther. */
const MOST_CHECKPOINTS = 12;

interface Decoded {
  readonly end: Verdict['end'];
  readonly output: Buffer;
  readonly checkpoints: readonly Checkpoint[];
}

/** @returns what is wrong, undefined when nothing is; and how many checkpoints were started from */
export function compareResumes(seed: number): { difference?: string; resumed: number } {
  const { deflated, pieces } = caseOf(seed);
  const plain = kernelVerdict(deflated, pieces);
  const packed = asMember(deflated, plain);
  const intervalBytes = 1 + Math.floor(plain.output.length / MOST_CHECKPOINTS) + pieces(3000);
  const decoded = decode(packed, intervalBytes, pieces);
  if (decoded.end !== plain.end || !decoded.output.equals(plain.output))
    return {
      difference: `seed ${seed}: ${decoded.end} with checkpoints every ${intervalBytes}, ${plain.end} without`,
      resumed: 0,
    };
  if (plain.end !== 'end') return { resumed: 0 };
  const wrong = decoded.checkpoints.find(
    (checkpoint) => !readFrom(packed, checkpoint).equals(plain.output.subarray(checkpoint.uncompressedOffset)),
  );
  const resumed = decoded.checkpoints.length;
  return wrong === undefined ? { resumed } : { difference: `seed ${seed}: wrong from ${wrong.uncompressedOffset} on`, resumed };
}

/** A gzip member (RFC 1952); bytes behind the end of the DEFLATE stream are left out. */
function asMember(deflated: Buffer, { end, output, usedBytes }: Verdict): Buffer {
  const header = Buffer.from('1f8b0800000000000003', 'hex');
  if (end !== 'end') return Buffer.concat([header, deflated]);
  const trailer = Buffer.alloc(8);
  trailer.writeUInt32LE(crc32(output), 0);
  trailer.writeUInt32LE(output.length, 4);
  return Buffer.concat([header, deflated.subarray(0, usedBytes), trailer]);
}

function decode(packed: Buffer, checkpointIntervalBytes: number, pieces: Random): Decoded {
  const module = checkedKernelModule();
  if (module === undefined) throw new Error('this Node has no WebAssembly SIMD');
  const kernel = borrowKernel(module);
  const output: Buffer[] = [];
  const deliver = (view: Uint8Array): void => void output.push(Buffer.from(view));
  const stream = new GunzipStream(kernel, { checkpointIntervalBytes, isSummed: true, deliver });
  let end: Verdict['end'] = 'error';
  try {
    for (let at = 0, length = 0; at < packed.length; at += length) {
      length = 1 + pieces(20_000);
      stream.write(packed.subarray(at, at + length));
    }
    end = stream.isBetweenMembers ? 'end' : 'cut';
  } catch (error) {
    if (errorCodeOf(error) !== 'LAYER_CORRUPT') throw error;
  } finally {
    returnKernel(kernel);
  }
  return { end, output: Buffer.concat(output), checkpoints: stream.checkpoints };
}

function readFrom(packed: Buffer, checkpoint: Checkpoint): Buffer {
  const output: Buffer[] = [];
  const span = createKernelInflate({ checkpoint, onOutput: (view) => output.push(Buffer.from(view)) });
  span.write(packed.subarray(firstByteOf(checkpoint)));
  span.finish();
  span.close();
  return Buffer.concat(output);
}
