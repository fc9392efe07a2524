import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { fromFlag, fullFlag, repairFlag, subsetFlag } from '../../cli/flags.ts';
import { fromRequest } from '../../cli/request-values.ts';

export class CacheVerifyCommand extends BaseCommand {
  static override summary = 'Check the layers of the disk cache; exit 7 when one is wrong or missing.';
  static override description =
    'Compares size, inode and time of each file with its record, and hashes those that differ; with --full hashes all.';
  static override usage = 'cache verify [--full] [--subset K/N] [--repair] [FLAGS]';
  static override examples = [
    '$ clipctl cache verify',
    '$ clipctl cache verify --full --subset 1/5',
    '$ clipctl cache verify --repair --from https://cache.example.org',
    '$ clipctl cache verify --json | jq .corrupt',
  ];
  static override flags = { full: fullFlag, subset: subsetFlag, repair: repairFlag, from: fromFlag };

  protected override async execute({ values, session }: Invocation): Promise<void> {
    const subset = values.part('subset');
    const { verifyCache } = await import('../../lib/operations/cache-verify.ts');
    const result = await verifyCache(session, {
      full: values.toggle('full'),
      repair: values.toggle('repair'),
      from: fromRequest(values),
      ...(subset === undefined ? {} : { subset }),
    });
    const { renderRepair, renderVerify } = await import('../../cli/render/cache-verify.ts');
    await this.print(result, values.toggle('repair') ? renderRepair : renderVerify);
    if (result.corrupt.length + result.missing.length > 0) this.failWith('CACHE_CORRUPT');
  }
}
