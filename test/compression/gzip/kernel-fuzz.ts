/** The kernel against node:zlib, one stream at a time: same verdict, and the same bytes before it. */
import { createInflateRaw, deflateRawSync, constants } from 'node:zlib';
import { InputArea } from '../../../src/lib/compression/gzip/input-area.ts';
import { InflateKernel, KERNEL_STATUS, NEVER } from '../../../src/lib/compression/gzip/inflate-kernel.ts';
import { kernelModule } from '../../../src/lib/compression/gzip/kernel-module.ts';
import { OutputArea } from '../../../src/lib/compression/gzip/output-area.ts';
import { buildDeflate, randomOf, type Random } from './build-deflate.ts';
import { mixedBytes } from './content.ts';

export interface Verdict {
  readonly end: 'end' | 'cut' | 'error';
  readonly output: Buffer;
  /** Input up to the end of the last block; all of it where there is none. */
  readonly usedBytes: number;
}

/** The largest output of one case: what random codes can make of a few thousand symbols. */
const MAX_OUTPUT_BYTES = 4 * 1024 * 1024;

const module = kernelModule();
if (module === undefined) throw new Error('this Node has no WebAssembly SIMD');
/** An instance of its own: between two verdicts its memory may be filled with anything, but for the tables. */
export const kernel = new InflateKernel(module);

/** Seeds that found a difference, kept for ever: a cut header without any code length code. */
export const KEPT_SEEDS: readonly number[] = [2_111_745_267];

export function caseOf(seed: number): { deflated: Buffer; pieces: Random } {
  const random = randomOf(seed);
  const kind = random(10);
  let deflated = kind < 8 ? buildDeflate(random, kind > 3) : byZlib(random);
  if (random(3) === 0) deflated = damage(deflated, random);
  return { deflated, pieces: random };
}

function byZlib(random: Random): Buffer {
  const strategies = [
    constants.Z_DEFAULT_STRATEGY,
    constants.Z_FILTERED,
    constants.Z_HUFFMAN_ONLY,
    constants.Z_RLE,
    constants.Z_FIXED,
  ];
  return deflateRawSync(mixedBytes(random(60_000), random(1000)), {
    level: random(10),
    memLevel: 1 + random(9),
    windowBits: 9 + random(7),
    strategy: strategies[random(strategies.length)]!,
  });
}

function damage(deflated: Buffer, random: Random): Buffer {
  if (deflated.length === 0) return deflated;
  if (random(2) === 0) return deflated.subarray(0, random(deflated.length));
  const damaged = Buffer.from(deflated);
  for (let flips = 1 + random(3); flips > 0; flips--)
    damaged[random(random(2) === 0 ? Math.min(120, damaged.length) : damaged.length)]! ^= 1 << random(8);
  return damaged;
}

/**
 * The kernel over pieces of any size, as the driver runs it.
 * @param skippedBytes of the output area, as if an earlier member had filled them
 */
export function kernelVerdict(deflated: Uint8Array, pieces: Random, skippedBytes = 0): Verdict {
  const input = new InputArea(kernel, 0);
  const output = new OutputArea(kernel, { uncompressedOffset: 0, window: new Uint8Array(0) });
  output.out += skippedBytes;
  output.takePending();
  output.startMember(false);
  const collected: Buffer[] = [];
  const takePending = (): void => void collected.push(Buffer.from(output.takePending()));
  kernel.reset();
  const largest = [1, 7, 300, 5000, 400_000][pieces(5)]!;
  for (let at = 0; at < deflated.length;) {
    at += input.append(deflated.subarray(at, at + 1 + pieces(largest)));
    for (;;) {
      const { windowStart } = output;
      const limits = { inEnd: input.end, outEnd: output.end, checkpointAt: NEVER, insideAt: NEVER, windowStart };
      const status = kernel.run(input.position, output.out, limits);
      input.position = kernel.position;
      output.out = kernel.out;
      takePending();
      output.slide();
      if (status === KERNEL_STATUS.needInput) break;
      if (status === KERNEL_STATUS.needOutput) continue;
      const end = status === KERNEL_STATUS.endOfStream ? 'end' : 'error';
      return { end, output: Buffer.concat(collected), usedBytes: input.compressedOffset };
    }
  }
  return { end: 'cut', output: Buffer.concat(collected), usedBytes: deflated.length };
}

/** The part of node:zlib's private handle that tells how far it got before an error; public calls keep that to themselves. */
interface ZlibHandle {
  onerror: (message: string, errno: number, code: string) => void;
  writeSync(
    flush: number,
    input: Uint8Array,
    inAt: number,
    inBytes: number,
    out: Uint8Array,
    outAt: number,
    outBytes: number,
  ): void;
  close(): void;
}

/**
 * node:zlib's verdict. On an error or a cut it doesn't tell how much of the output it wrote, so output room is given byte by byte
 * then, each preset to a value that the byte shouldn't have.
 * @param expected what the output is thought to be
 */
export function zlibVerdict(deflated: Uint8Array, expected: Uint8Array): Omit<Verdict, 'usedBytes'> {
  const fast = inflate(deflated, MAX_OUTPUT_BYTES, expected);
  return fast.end === 'end' ? fast : inflate(deflated, 1, expected);
}

function inflate(deflated: Uint8Array, roomBytes: number, expected: Uint8Array): Omit<Verdict, 'usedBytes'> {
  const engine = createInflateRaw();
  engine.on('error', () => undefined);
  const { _handle: handle, _writeState: state } = engine as unknown as { _handle: ZlibHandle; _writeState: Uint32Array };
  let failure = '';
  handle.onerror = (_message, _errno, code) => void (failure = code);
  const output = Buffer.alloc(Math.min(MAX_OUTPUT_BYTES, expected.length + 70_000));
  let written = 0;
  let left = deflated.length;
  for (;;) {
    const room = Math.min(roomBytes, output.length - written);
    const preset = (expected[written] ?? 0) ^ 0xff;
    output[written] = preset;
    handle.writeSync(constants.Z_FINISH, deflated, deflated.length - left, left, output, written, room);
    if (failure !== '') {
      if (output[written] !== preset) written++;
      break;
    }
    written += room - state[0]!;
    left = state[1]!;
    if (state[0]! > 0) break;
  }
  handle.close();
  return { end: failure === '' ? 'end' : failure === 'Z_BUF_ERROR' ? 'cut' : 'error', output: output.subarray(0, written) };
}

/** @returns what differs, undefined when nothing does */
export function compareVerdicts(seed: number): string | undefined {
  const { deflated, pieces } = caseOf(seed);
  const ours = kernelVerdict(deflated, pieces);
  const theirs = zlibVerdict(deflated, ours.output);
  if (ours.end !== theirs.end) return `seed ${seed}: kernel ${ours.end}, zlib ${theirs.end} (${ours.output.length} bytes)`;
  if (ours.output.equals(theirs.output)) return undefined;
  return `seed ${seed}: ${ours.end}, kernel ${ours.output.length} bytes, zlib ${theirs.output.length}`;
}
