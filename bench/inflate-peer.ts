/** One way to inflate one file, in a process of its own: prints the CPU time it took and what came out of it. */
import { closeSync, openSync, readSync } from 'node:fs';
import { constants, createGunzip, type Gunzip } from 'node:zlib';
import type { Checkpoint, DecodeResult } from '../src/lib/compression/decoder.ts';
import { createKernelInflate } from '../src/lib/compression/gzip/kernel-inflate.ts';
import { checkedKernelModule } from '../src/lib/compression/gzip/kernel-check.ts';
import { borrowKernel } from '../src/lib/compression/gzip/inflate-kernel.ts';
import { firstByteOf, GunzipStream } from '../src/lib/compression/gzip/gunzip-stream.ts';
import { createGunzip as createKernelGunzip } from '../src/lib/compression/gzip/kernel-gunzip.ts';
import { DEFAULT_LIMITS } from '../src/lib/compression/limits.ts';

const PIECE_BYTES = 256 * 1024;
const MIB = 1024 * 1024;

export interface PeerResult {
  readonly cpuMs: number;
  readonly bytes: number;
  readonly checkpoints?: number;
  readonly windowBytes?: number;
}

type Peer = (path: string) => PeerResult | Promise<PeerResult>;

export const PEERS: Readonly<Record<string, Peer>> = {
  kernel: (path) => runStream(path, { intervalBytes: 0, isSummed: false }),
  'kernel+crc': (path) => runStream(path, { intervalBytes: 0, isSummed: true }),
  'kernel, checkpoints 1 MiB apart, windows copied': (path) =>
    runStream(path, { intervalBytes: MIB, isSummed: false, plain: true }),
  'kernel, checkpoints 4 MiB apart, windows copied': (path) =>
    runStream(path, { intervalBytes: 4 * MIB, isSummed: false, plain: true }),
  'kernel, checkpoints 4 MiB apart, windows packed': (path) => runStream(path, { intervalBytes: 4 * MIB, isSummed: false }),
  'kernel, spans of 4 MiB from checkpoints': readSpans,
  'node:zlib handle, 256 KiB': runHandle,
  'createGunzip, default': (path) => runNodeStream(path, {}, 64 * 1024),
  'createGunzip, chunkSize 1 MiB': (path) => runNodeStream(path, { chunkSize: MIB }, MIB),
};

function* piecesOf(path: string, start = 0, pieceBytes = PIECE_BYTES): Generator<Uint8Array> {
  const file = openSync(path, 'r');
  const piece = Buffer.alloc(pieceBytes);
  try {
    for (let at = start; ;) {
      const bytes = readSync(file, piece, 0, pieceBytes, at);
      if (bytes === 0) return;
      yield piece.subarray(0, bytes);
      at += bytes;
    }
  } finally {
    closeSync(file);
  }
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

function runStream(path: string, setup: { intervalBytes: number; isSummed: boolean; plain?: boolean }): PeerResult {
  const start = cpuMs();
  const module = checkedKernelModule();
  if (module === undefined) throw new Error('no kernel on this machine');
  let bytes = 0;
  const stream = new GunzipStream(borrowKernel(module), {
    checkpointIntervalBytes: setup.intervalBytes,
    isSummed: setup.isSummed,
    keepsPlainWindows: setup.plain === true,
    deliver: (output) => void (bytes += output.length),
  });
  for (const piece of piecesOf(path)) stream.write(piece);
  const windowBytes = stream.checkpoints.reduce((sum, { window }) => sum + window.length, 0);
  return { cpuMs: cpuMs() - start, bytes, checkpoints: stream.checkpoints.length, windowBytes };
}

/** Sequential decode to learn the checkpoints, not counted; then each span on its own, window unpacked. */
function readSpans(path: string): PeerResult {
  const decoder = createKernelGunzip({ onOutput: () => undefined, limits: DEFAULT_LIMITS });
  for (const piece of piecesOf(path)) void decoder.write(piece);
  const { checkpoints, uncompressedBytes } = decoder.finish() as DecodeResult;
  decoder.close();
  const start = cpuMs();
  let bytes = 0;
  for (const [at, checkpoint] of checkpoints.entries()) {
    bytes += readSpan(path, checkpoint, checkpoints[at + 1]?.uncompressedOffset ?? uncompressedBytes);
  }
  return { cpuMs: cpuMs() - start, bytes, checkpoints: checkpoints.length };
}

function readSpan(path: string, checkpoint: Checkpoint, endOffset: number): number {
  let bytes = 0;
  const span = createKernelInflate({ checkpoint, endOffset, onOutput: (output) => void (bytes += output.length) });
  for (const piece of piecesOf(path, firstByteOf(checkpoint))) {
    span.write(piece);
    if (span.isDone) break;
  }
  span.close();
  return bytes;
}

interface Handle {
  writeSync(
    flush: number,
    input: Uint8Array,
    inAt: number,
    inBytes: number,
    out: Uint8Array,
    outAt: number,
    outBytes: number,
  ): void;
}

/** The fastest that node:zlib can be: its private handle, without streams. */
function runHandle(path: string): PeerResult {
  const start = cpuMs();
  const { _handle: handle, _writeState: state } = createGunzip() as unknown as { _handle: Handle; _writeState: Uint32Array };
  const room = Buffer.alloc(PIECE_BYTES);
  let bytes = 0;
  for (const piece of piecesOf(path)) {
    for (let left = piece.length; ;) {
      handle.writeSync(constants.Z_NO_FLUSH, piece, piece.length - left, left, room, 0, room.length);
      const [roomLeft = 0, inputLeft = 0] = state;
      bytes += room.length - roomLeft;
      left = inputLeft;
      if (roomLeft > 0) break;
    }
  }
  return { cpuMs: cpuMs() - start, bytes };
}

async function runNodeStream(path: string, options: { chunkSize?: number }, pieceBytes: number): Promise<PeerResult> {
  const start = cpuMs();
  const gunzip: Gunzip = createGunzip(options);
  let bytes = 0;
  gunzip.on('data', (output: Buffer) => (bytes += output.length));
  const ended = new Promise((resolve, reject) => gunzip.once('end', resolve).once('error', reject));
  for (const piece of piecesOf(path, 0, pieceBytes)) await new Promise((resolve) => gunzip.write(piece, resolve));
  gunzip.end();
  await ended;
  return { cpuMs: cpuMs() - start, bytes };
}

const [, , peer = '', path = ''] = process.argv;
const run = PEERS[peer];
if (run === undefined) throw new Error(`no such peer: ${peer}`);
process.stdout.write(JSON.stringify(await run(path)));
