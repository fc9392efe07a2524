/** `clipctl index` from a registry, beside those who do the same work in Go: download, verify, inflate, list the files. */
import { join } from 'node:path';
import { ratio, throughputPlot, type BenchContext, type Claim, type Heat, type Target } from '../claim.ts';
import { oneLayerImage, sixLayerImage, type MadeImage } from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import { interleave, requireOutput } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';

const OURS = 'clipctl index';
const GO = 'Go, single pass';
const GO_PARALLEL = 'Go, single pass, 2 layers at once';
const SOCI = 'SOCI ztoc builder';
const CRANE = 'crane export';

export const indexLayer: Claim = {
  name: 'index-layer',
  title: 'Indexing an image of one layer of 800 MB from a registry',
  measure: async (context) => {
    const image = await oneLayerImage(context);
    const heat = await indexHeat(context, { title: 'one layer of 800 MB', image, hasLayers: false });
    const targets = [wallTarget(heat, GO, 0.35), wallTarget(heat, SOCI, 0.28)];
    return { heats: [heat], targets, plots: [throughputPlot(heat, 'wallMs')] };
  },
};

export const indexImage: Claim = {
  name: 'index-image',
  title: 'Indexing an image of six layers from a registry',
  measure: async (context) => {
    const image = await sixLayerImage(context);
    const heat = await indexHeat(context, { title: 'six layers of 210 MB, packed', image, hasLayers: true });
    return { heats: [heat], targets: [wallTarget(heat, GO, 0.33)], plots: [throughputPlot(heat, 'wallMs')] };
  },
};

interface HeatData {
  readonly title: string;
  readonly image: MadeImage;
  /** More than one. */
  readonly hasLayers: boolean;
}

function indexHeat(context: BenchContext, { title, image, hasLayers }: HeatData): Promise<Heat> {
  return withRegistry(context, [image], async ({ referenceOf }) => {
    const reference = referenceOf(image);
    const field = new Field(context.peers);
    field.add({ name: OURS, isOurs: true, command: (folder) => indexCommand(context, reference, folder) });
    await field.addGo(GO, 'single-pass', reference);
    if (hasLayers) await field.addGo(GO_PARALLEL, 'single-pass', '-jobs', '2', reference);
    await field.addGo(SOCI, 'ztoc', reference);
    await field.addGo(CRANE, 'crane-export', reference);
    const standings = await interleave(field.contestants, { runs: context.runs, onRun: context.tell });
    // What crane writes is one tar of all layers, without what they hide.
    requireOutput(
      standings.filter(({ name }) => name !== CRANE),
      image.bytes,
    );
    return { title, data: image.description, outputBytes: image.bytes, standings, missing: field.missing };
  });
}

/** The command that indexes `reference` into `folder`, with a cache of its own. */
export function indexCommand({ clipctl }: BenchContext, reference: string, folder: string): readonly string[] {
  return clipctl('index', reference, '-o', join(folder, 'image.clip'), '--cache-dir', join(folder, 'cache'), '--json');
}

function wallTarget({ title, standings }: Heat, by: string, bound: number): Target {
  return {
    text: `${title}: wall at most ${bound} × ${by}`,
    kind: 'at most',
    bound,
    value: ratio(standings, 'wallMs', { of: OURS, by }),
  };
}
