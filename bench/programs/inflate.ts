/** `inflate.js DECODER FILE`: inflates a file of one gzip member, drops the output, says what the work alone cost. */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { GunzipStream } from '../../src/lib/compression/gzip/gunzip-stream.ts';
import { borrowKernel } from '../../src/lib/compression/gzip/inflate-kernel.ts';
import { checkedKernelModule } from '../../src/lib/compression/gzip/kernel-check.ts';
import { createDecoder } from '../../src/lib/compression/open-decoder.ts';
import { DEFAULT_LIMITS } from '../../src/lib/compression/limits.ts';
import { inflateWithHandle } from '../peers/zlib-handle.ts';
import { measureWork } from './measure-work.ts';

const INPUT_BYTES = 256 * 1024;
const MIB = 1024 * 1024;

export interface Inflated {
  readonly outputBytes: number;
  readonly decoder?: string;
}

/** `clipctl:INTERVAL[:crc|:plain]`, or a way to use node:zlib. */
async function inflate(name: string, path: string): Promise<Inflated> {
  const [decoder, interval, how] = name.split(':');
  if (decoder === 'clipctl' && how === 'plain') return inflateWithPlainWindows(path, Number(interval));
  if (decoder === 'clipctl') return inflateWithClipctl(path, Number(interval), how === 'crc');
  if (decoder === 'handle') return { outputBytes: inflateWithHandle(readPieces(path), INPUT_BYTES) };
  if (decoder === 'stream') return inflateWithStream(path, interval === undefined ? undefined : Number(interval));
  throw new Error(`no decoder ${name}`);
}

async function inflateWithClipctl(path: string, checkpointIntervalBytes: number, isSummed: boolean): Promise<Inflated> {
  let outputBytes = 0;
  const decoder = createDecoder({
    limits: DEFAULT_LIMITS,
    checkpointIntervalBytes,
    skipChecksum: !isSummed,
    onOutput: (view) => {
      outputBytes += view.length;
    },
  });
  for (const piece of readPieces(path)) await decoder.write(piece);
  const result = await decoder.finish();
  decoder.close();
  return { outputBytes, decoder: result.decoder };
}

/** The kernel as it would be if windows were kept as they are: what packing them costs. */
function inflateWithPlainWindows(path: string, checkpointIntervalBytes: number): Inflated {
  let outputBytes = 0;
  const module = checkedKernelModule();
  if (module === undefined) throw new Error('no kernel on this machine');
  const stream = new GunzipStream(borrowKernel(module), {
    checkpointIntervalBytes,
    isSummed: false,
    keepsPlainWindows: true,
    deliver: (view) => {
      outputBytes += view.length;
    },
  });
  for (const piece of readPieces(path)) stream.write(piece);
  return { outputBytes, decoder: 'kernel' };
}

/** node:zlib as programs use it; with a size, both streams are given pieces of up to 1 MiB. */
async function inflateWithStream(path: string, chunkSize: number | undefined): Promise<Inflated> {
  const source = createReadStream(path, chunkSize === undefined ? {} : { highWaterMark: MIB });
  const gunzip = createGunzip(chunkSize === undefined ? {} : { chunkSize });
  let outputBytes = 0;
  gunzip.on('data', (piece: Buffer) => {
    outputBytes += piece.length;
  });
  await new Promise<void>((resolve, reject) => {
    gunzip.once('end', resolve).once('error', reject);
    source.once('error', reject).pipe(gunzip);
  });
  return { outputBytes };
}

/** The same buffer each time. */
function* readPieces(path: string): Generator<Buffer> {
  const file = openSync(path, 'r');
  const buffer = Buffer.alloc(INPUT_BYTES);
  try {
    for (let length = 1; length > 0;) {
      length = readSync(file, buffer, 0, INPUT_BYTES, null);
      if (length > 0) yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
}

const [name = '', path = ''] = process.argv.slice(2);
await measureWork(() => inflate(name, path));
