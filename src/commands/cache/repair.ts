import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { fromFlag, fullFlag } from '../../cli/flags.ts';
import { fromRequest } from '../../cli/request-values.ts';

export class CacheRepairCommand extends BaseCommand {
  static override summary = 'Check the disk cache and fetch what is wrong or missing again.';
  static override description =
    'Fetches for the images that were warmed here. What cannot be fetched is dropped, and the image to warm is named; what clipctl did not put there stays.';
  static override usage = 'cache repair [--full] [--from URL]... [FLAGS]';
  static override examples = [
    '$ clipctl cache repair',
    '$ clipctl cache repair --full',
    '$ clipctl cache repair --from file:///mnt/cache --offline',
  ];
  static override flags = { full: fullFlag, from: fromFlag };

  protected override async execute({ values, session }: Invocation): Promise<void> {
    const { verifyCache } = await import('../../lib/operations/cache-verify.ts');
    const result = await verifyCache(session, { full: values.toggle('full'), repair: true, from: fromRequest(values) });
    const { renderRepair } = await import('../../cli/render/cache-verify.ts');
    await this.print(result, renderRepair);
    if (result.corrupt.length + result.missing.length > 0) this.failWith('CACHE_CORRUPT');
  }
}
