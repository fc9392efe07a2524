import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { canConfirm, confirm } from '../../cli/confirm.ts';
import { keepFlag, maxAgeFlag, maxSizeFlag, planFlag, yesFlag } from '../../cli/flags.ts';
import { ClipctlError } from '../../lib/errors.ts';
import type { PruneRequest } from '../../lib/operations/cache-prune.ts';
import type { FlagValues } from '../../cli/flag-values.ts';

export class CachePruneCommand extends BaseCommand {
  static override summary = 'Evict layers down to a budget, the least recently used first.';
  static override description =
    'Shows the plan before anything goes. What is pinned, in use by a process, or was used within 10 minutes stays.';
  static override usage = 'cache prune [--max-size SIZE] [--min-free SIZE] [--max-age AGE] [FLAGS]';
  static override examples = [
    '$ clipctl cache prune --max-size 20GiB',
    '$ clipctl cache prune --max-age 30d --keep alpine:3.20 --yes',
    '$ clipctl cache prune --max-size 0 --dry-run',
  ];
  static override flags = {
    'max-size': maxSizeFlag,
    'max-age': maxAgeFlag,
    keep: keepFlag,
    yes: yesFlag,
    'dry-run': planFlag,
  };

  protected override async execute({ values, session }: Invocation): Promise<void> {
    const { preparePrune } = await import('../../lib/operations/cache-prune.ts');
    const { renderPrune } = await import('../../cli/render/cache-prune.ts');
    const { plan, run } = await preparePrune(session, requestOf(values));
    const isOwed = plan.evicted.length > 0 && !values.toggle('dry-run');
    if (!isOwed) return this.print({ ...plan, dryRun: values.toggle('dry-run') }, renderPrune);
    if (!values.toggle('yes')) {
      if (!canConfirm({ json: values.toggle('json') })) return this.printFailed(plan, renderPrune, nobodyAsked());
      await this.print(plan, renderPrune);
      if (!(await confirm('Evict them?', session))) return;
    }
    await this.print(await run(), renderPrune);
  }
}

function requestOf(values: FlagValues): PruneRequest {
  const maxCacheBytes = values.sizeBytes('max-size', '0');
  const maxAgeMs = values.ageMs('max-age');
  return {
    keep: values.texts('keep') ?? [],
    ...(maxCacheBytes === undefined ? {} : { maxCacheBytes }),
    ...(maxAgeMs === undefined ? {} : { maxAgeMs }),
  };
}

function nobodyAsked(): ClipctlError {
  return new ClipctlError('USAGE', 'nothing was evicted: nobody is there to be asked', {
    hint: 'Add --yes to evict what the plan says, or --dry-run to see the plan only.',
  });
}
