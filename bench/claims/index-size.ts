/** How large an index is: clipctl's extension of the `.clip` beside SOCI's ztoc, both with a checkpoint every 4 MiB. */
import { standingOf, type Bar, type BenchContext, type Claim, type Heat, type Target } from '../claim.ts';
import { oneLayerImage, sixLayerImage, type MadeImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';

const OURS = 'clipctl index';
const SOCI = 'SOCI ztoc builder';

export const indexSize: Claim = {
  name: 'index-size',
  title: 'Size of an index with checkpoints every 4 MiB',
  measure: async (context) => {
    const sized = [
      await sizesOf(context, 'one layer of 800 MB', await oneLayerImage(context)),
      await sizesOf(context, 'six layers of 210 MB, packed', await sixLayerImage(context)),
    ];
    return {
      heats: sized.map(({ heat }) => heat),
      targets: sized.flatMap(({ targets }) => targets),
      plots: sized.map(({ heat, bars }) => ({ title: heat.title, unit: 'percent of the compressed layers', bars })),
    };
  },
};

interface Sized {
  readonly heat: Heat;
  readonly targets: readonly Target[];
  readonly bars: readonly Bar[];
}

function sizesOf(context: BenchContext, title: string, image: MadeImage): Promise<Sized> {
  return withRegistry(context, [image], async ({ referenceOf }) => {
    const field = new Field(context.peers);
    const reference = referenceOf(image);
    field.add({ name: OURS, isOurs: true, command: (folder) => context.program('clip-sizes', reference, folder) });
    await field.addGo(SOCI, 'ztoc', reference);
    // Sizes are the same each time.
    const standings = await interleave(field.contestants, { runs: 1, onRun: context.tell });
    requireOutput(standings, image.bytes);
    const bytesOf = (name: string, figure: string): number | undefined => {
      const found = standings.some((each) => each.name === name) ? standingOf(standings, name) : undefined;
      return found === undefined ? undefined : Number(found.samples[0]?.report[figure]);
    };
    const extensionBytes = bytesOf(OURS, 'extensionBytes');
    const ztocBytes = bytesOf(SOCI, 'ztocBytes');
    const rows = [
      { name: 'clipctl: extension (checkpoints, digests)', isOurs: true, bytes: extensionBytes },
      { name: 'clipctl: windows of the checkpoints alone', isOurs: true, bytes: bytesOf(OURS, 'windowBytes') },
      { name: 'clipctl: whole .clip, all files listed', isOurs: true, bytes: bytesOf(OURS, 'clipBytes') },
      { name: 'SOCI: ztoc, all files listed', isOurs: false, bytes: ztocBytes },
    ];
    const bars = rows.flatMap(({ name, isOurs, bytes }) => {
      return bytes === undefined ? [] : [{ name, isOurs, value: (bytes / image.packedBytes) * 100 }];
    });
    const heat = { title, data: image.description, standings, missing: field.missing };
    return { heat, bars, targets: targetsOf({ title, extensionBytes, ztocBytes, packedBytes: image.packedBytes }) };
  });
}

interface Sizes {
  readonly title: string;
  readonly extensionBytes: number | undefined;
  readonly ztocBytes: number | undefined;
  readonly packedBytes: number;
}

function targetsOf({ title, extensionBytes = NaN, ztocBytes, packedBytes }: Sizes): readonly Target[] {
  return [
    {
      text: `${title}: extension at most 0.9 % of the compressed layers`,
      kind: 'at most',
      bound: 0.9,
      value: (extensionBytes / packedBytes) * 100,
    },
    {
      text: `${title}: extension smaller than SOCI's ztoc`,
      kind: 'at most',
      bound: 1,
      value: ztocBytes === undefined ? undefined : extensionBytes / ztocBytes,
    },
  ];
}
