/** zstd layers, which are no claim of speed: what decoding in WebAssembly costs beside the zstd program. */
import { throughputPlot, type Claim } from '../claim.ts';
import { packTar } from '../data/pack.ts';
import { libTar } from '../data/tars.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';

export const zstd: Claim = {
  name: 'zstd',
  title: 'Decoding a zstd layer on one thread',
  measure: async (context) => {
    const { peers, program, runs, tell } = context;
    const file = await packTar(await libTar(context.data), { ...context, packer: 'zstd' });
    const field = new Field(peers);
    field.addProgram('zstd', '-dc', file?.path ?? '');
    if (file === undefined) return { heats: [], targets: [], plots: [] };
    field.add({ name: 'clipctl', isOurs: true, command: () => program('inflate', 'clipctl:0', file.path) });
    const standings = await interleave(field.contestants, { runs, onRun: tell });
    requireOutput(standings, file.bytes);
    const heat = {
      title: 'libraries, zstd -3',
      data: file.description,
      outputBytes: file.bytes,
      standings,
      missing: field.missing,
    };
    return { heats: [heat], targets: [], plots: [throughputPlot(heat, 'cpuMs')] };
  },
};
