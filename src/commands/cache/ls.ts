import { BaseCommand, type Invocation } from '../../cli/base-command.ts';

export class CacheLsCommand extends BaseCommand {
  static override summary = 'List the layers of the disk cache, the last used first.';
  static override usage = 'cache ls [FLAGS]';
  static override examples = [
    '$ clipctl cache ls',
    '$ clipctl cache ls -v',
    '$ clipctl cache ls --json | jq -r ".layers[] | select(.pinned) | .diffId"',
  ];

  protected override async execute({ session }: Invocation): Promise<void> {
    const { listCache } = await import('../../lib/operations/cache-usage.ts');
    const result = await listCache(session);
    const { renderCacheList } = await import('../../cli/render/cache-list.ts');
    await this.print(result, renderCacheList);
  }
}
