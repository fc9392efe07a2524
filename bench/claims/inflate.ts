/** One thread that inflates: the kernel beside every gzip decoder at hand. The output is dropped. */
import { ratio, throughputPlot, type BenchContext, type Claim, type Heat, type Target } from '../claim.ts';
import { packTar, type Packer } from '../data/pack.ts';
import { libTar, smallTar, type TarFile } from '../data/tars.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';

const INTERVAL_BYTES = 4 * 1024 * 1024;
const OURS = 'clipctl kernel';
const OURS_SUMMED = 'clipctl kernel and CRC-32';
const HANDLE = 'node:zlib, private handle';
const STREAM = 'node:zlib createGunzip, default';
const IGZIP = 'igzip -dc';
const GO = 'Go compress/gzip';
const KLAUSPOST = 'Go klauspost/compress';

export const inflate: Claim = {
  name: 'inflate',
  title: 'Inflating a gzip layer on one thread',
  measure: async (context) => {
    const lib = await libTar(context.data);
    const small = await smallTar(context.data);
    const heats = [
      await inflateHeat(context, { title: 'libraries, gzip -6', tar: lib, packer: 'gzip' }),
      await inflateHeat(context, { title: 'small files, gzip -6', tar: small, packer: 'gzip' }),
      await inflateHeat(context, { title: 'libraries, packed by Go', tar: lib, packer: 'go' }),
    ];
    const bounds = [1.2, 1.35, 1.2];
    const targets = heats.flatMap((heat, index) => targetsOf(heat, bounds[index]!));
    return { heats, targets, plots: heats.slice(0, 2).map((heat) => throughputPlot(heat, 'cpuMs')) };
  },
};

interface HeatData {
  readonly title: string;
  readonly tar: TarFile;
  readonly packer: Packer;
}

async function inflateHeat(context: BenchContext, { title, tar, packer }: HeatData): Promise<Heat> {
  const file = await packTar(tar, { ...context, packer });
  if (file === undefined) throw new Error('gzip is always at hand');
  const field = await enterDecoders(context, file.path);
  const standings = await interleave(field.contestants, { runs: context.runs, onRun: context.tell });
  requireOutput(standings, file.bytes);
  return { title, data: file.description, outputBytes: file.bytes, standings, missing: field.missing };
}

async function enterDecoders({ peers, program }: BenchContext, path: string): Promise<Field> {
  const field = new Field(peers);
  const enter = (name: string, decoder: string, isOurs = false): void => {
    field.add({ name, isOurs, command: () => program('inflate', decoder, path) });
  };
  enter(OURS, 'clipctl:0', true);
  enter(OURS_SUMMED, 'clipctl:0:crc', true);
  enter('clipctl kernel, packed checkpoints', `clipctl:${INTERVAL_BYTES}`, true);
  enter(HANDLE, 'handle');
  enter(STREAM, 'stream');
  enter('node:zlib createGunzip, 1 MiB chunks', `stream:${1024 * 1024}`);
  field.addProgram('igzip', '-dc', path);
  field.addProgram('pigz', '-dc', path);
  field.addProgram('gzip', '-dc', path);
  field.addProgram('libdeflate-gunzip', '-c', path);
  await field.addGo(GO, 'gunzip', 'std', path);
  await field.addGo(KLAUSPOST, 'gunzip', 'klauspost', path);
  return field;
}

function targetsOf({ title, standings }: Heat, handleBound: number): readonly Target[] {
  const faster = (by: string, bound: number, ours = OURS): Target => {
    const value = ratio(standings, 'cpuMs', { of: ours, by });
    return {
      text: `${title}: ${ours === OURS ? 'kernel' : 'kernel and CRC'} at least ${bound} × ${by}, CPU`,
      kind: 'at least',
      bound,
      value: value === undefined ? undefined : 1 / value,
    };
  };
  return [
    faster(HANDLE, handleBound),
    faster(HANDLE, 1.12, OURS_SUMMED),
    faster(STREAM, 2.4),
    {
      text: `${title}: kernel at most 1.0 × the CPU of ${IGZIP}`,
      kind: 'at most',
      bound: 1,
      value: ratio(standings, 'cpuMs', { of: OURS, by: IGZIP }),
    },
    faster(GO, 4),
    faster(KLAUSPOST, 3.3),
  ];
}
