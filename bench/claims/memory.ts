/** Resident memory: how much more than an idle process the commands take, for one layer, several, ten, and one of 10 GB. */
import { join } from 'node:path';
import type { BenchContext, Claim, Heat, Target } from '../claim.ts';
import {
  giantLayerImage,
  oneFileLayerImage,
  oneLayerImage,
  tenLayerImage,
  twoLayerImage,
  type MadeImage,
} from '../data/images.ts';
import { withRegistry } from '../data/serve-images.ts';
import type { Contestant } from '../measure/contestant.ts';
import { interleave, type Standing } from '../measure/interleave.ts';
import { Field } from '../peers/peers.ts';
import { indexCommand } from './index-image.ts';
import { warmCommand } from './warm.ts';

const MIB = 1024 * 1024;
const IDLE = 'idle: clipctl inspect of a layout';

interface Case {
  readonly title: string;
  readonly image: MadeImage;
}

export const memory: Claim = {
  name: 'memory',
  title: 'Memory of a whole process',
  measure: async (context) => {
    const cases: readonly Case[] = [
      { title: '1 layer of 800 MB', image: await oneLayerImage(context) },
      { title: '2 layers of 400 MB', image: await twoLayerImage(context) },
      { title: '10 layers of 60 MB', image: await tenLayerImage(context) },
      { title: '1 layer of 128 MB, one file', image: await oneFileLayerImage(context) },
      { title: '1 layer of 10 GB, one file', image: await giantLayerImage(context) },
    ];
    const images = cases.map(({ image }) => image);
    const heat = await withRegistry(context, images, ({ referenceOf }) => memoryHeat(context, cases, referenceOf));
    const bars = heat.standings.map((each) => ({
      name: each.name,
      isOurs: each.isOurs,
      value: Math.round((each.peakRssBytes ?? 0) / MIB),
    }));
    const plot = { title: 'Peak resident memory', unit: 'MiB, whole process', bars };
    return { heats: [heat], targets: targetsOf(heat.standings), plots: [plot] };
  },
};

async function memoryHeat(
  context: BenchContext,
  cases: readonly Case[],
  referenceOf: (image: MadeImage) => string,
): Promise<Heat> {
  const field = new Field(context.peers);
  const idle = `oci:${cases[0]!.image.layout}`;
  field.add({ name: 'bare node', command: () => [process.execPath, '-e', '0'] });
  field.add({ name: IDLE, isOurs: true, command: () => context.clipctl('inspect', idle, '--json') });
  for (const each of cases) addCase(context, field, { ...each, reference: referenceOf(each.image) });
  await field.addGo('Go, single pass: 1 layer of 800 MB', 'single-pass', referenceOf(cases[0]!.image));
  await field.addGo('SOCI ztoc builder: 1 layer of 800 MB', 'ztoc', referenceOf(cases[0]!.image));
  // Memory varies little, and the runs are long.
  const runs = Math.min(context.runs, 3);
  const standings = await interleave(field.contestants, { runs, onRun: context.tell });
  const data = cases.map(({ title, image }) => `${title}: ${image.description}`).join('\n');
  return { title: 'index, warm, push-cache', data, standings, missing: field.missing };
}

const VERBS = ['index', 'warm', 'push-cache'];
/** Two runs of the same differ by so much. */
const FLAT_MIB = 16;

function flatTargets(verb: string, growth: (name: string) => number | undefined): readonly Target[] {
  const pairs = [
    ['10 layers of 60 MB', '2 layers of 400 MB'],
    ['1 layer of 10 GB, one file', '1 layer of 128 MB, one file'],
  ];
  return pairs.map(([large, small]) => {
    const [high, low] = [growth(`${verb}: ${large}`), growth(`${verb}: ${small}`)];
    const value = high === undefined || low === undefined ? undefined : high - low;
    const text = `${verb}: ${large} at most ${FLAT_MIB} MiB over ${small}`;
    return { text, kind: 'at most', bound: FLAT_MIB, value };
  });
}

function addCase(context: BenchContext, field: Field, { title, image, reference }: Case & { readonly reference: string }): void {
  const enter = (verb: string, command: Contestant['command']): void => {
    field.add({ name: `${verb}: ${title}`, isOurs: true, command });
  };
  enter('index', (folder) => indexCommand(context, reference, folder));
  enter('warm', (folder) => warmCommand(context, reference, folder));
  enter('push-cache', (folder) => pushCommand(context, image, folder));
}

/** Warms from a layout, without network, and pushes into a directory. */
function pushCommand({ clipctl }: BenchContext, { layout }: MadeImage, folder: string): readonly string[] {
  const cache = ['--cache-dir', join(folder, 'cache'), '--json'];
  return clipctl('push-cache', `oci:${layout}`, '--to', `file://${join(folder, 'remote')}`, ...cache);
}

function targetsOf(standings: readonly Standing[]): readonly Target[] {
  const peakOf = (name: string): number | undefined => standings.find((each) => each.name === name)?.peakRssBytes;
  const growth = (name: string): number | undefined => {
    const peak = peakOf(name);
    const idle = peakOf(IDLE);
    return peak === undefined || idle === undefined ? undefined : Math.round((peak - idle) / MIB);
  };
  const ours = standings.filter(({ isOurs, name }) => isOurs && name !== IDLE);
  const grown = ours.map(({ name }): Target => {
    const bound = name.startsWith('push-cache') ? 64 : 112;
    return { text: `${name}: at most ${bound} MiB over idle`, kind: 'at most', bound, value: growth(name) };
  });
  return [...grown, ...VERBS.flatMap((verb) => flatTargets(verb, growth))];
}
