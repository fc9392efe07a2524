/** Listing the entries of a tar. */
import type { Claim, Plot } from '../claim.ts';
import { smallTar } from '../data/tars.ts';
import { mb } from '../data/pack.ts';
import { interleave, type Standing } from '../measure/interleave.ts';

const OURS = 'clipctl';
const TAR_STREAM = 'tar-stream';
const FIRST = ', first scan of a process';

export const tarScan: Claim = {
  name: 'tar-scan',
  title: 'Listing the entries of a tar in memory',
  measure: async ({ data, program, runs, tell }) => {
    const tar = await smallTar(data);
    const enter = (scanner: string, turn: string) => ({
      name: turn === 'first' ? `${scanner}${FIRST}` : scanner,
      isOurs: scanner === OURS,
      command: () => program('tar-scan', scanner, turn, tar.path),
    });
    const contestants = [OURS, TAR_STREAM].flatMap((scanner) => [enter(scanner, 'second'), enter(scanner, 'first')]);
    const standings = await interleave(contestants, { runs, onRun: tell });
    const entries = entriesOf(standings);
    const perSecond = (standing: Standing): number => Math.round((entries / standing.cpuMs) * 1000);
    const heat = {
      title: `${entries} entries`,
      data: `${tar.description}; ${mb(tar.bytes)}`,
      outputBytes: tar.bytes,
      standings,
      missing: [],
    };
    const ours = standings.find(({ name }) => name === OURS)!;
    const targets = [
      { text: 'at least 500,000 entries per second of CPU', kind: 'at least' as const, bound: 500_000, value: perSecond(ours) },
    ];
    const bars = standings.map((each) => ({ name: each.name, isOurs: each.isOurs, value: perSecond(each) }));
    const plot: Plot = { title: heat.title, unit: 'entries per second of CPU', bars };
    return { heats: [heat], targets, plots: [plot] };
  },
};

/** @throws Error when the two disagree */
function entriesOf(standings: readonly Standing[]): number {
  const counts = new Set(standings.flatMap(({ samples }) => samples.map(({ report }) => Number(report['entries']))));
  if (counts.size !== 1) throw new Error(`entries were counted differently: ${[...counts].join(', ')}`);
  return [...counts][0]!;
}
