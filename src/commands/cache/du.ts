import { BaseCommand, type Invocation } from '../../cli/base-command.ts';

export class CacheDuCommand extends BaseCommand {
  static override summary = 'Show what takes the space of the disk cache, and for which images.';
  static override usage = 'cache du [FLAGS]';
  static override examples = [
    '$ clipctl cache du',
    '$ clipctl cache du --cache-dir /var/lib/clip/layers',
    '$ clipctl cache du --json | jq .ownBytes',
  ];

  protected override async execute({ session }: Invocation): Promise<void> {
    const { cacheUsage } = await import('../../lib/operations/cache-usage.ts');
    const result = await cacheUsage(session);
    const { renderUsage } = await import('../../cli/render/cache-usage.ts');
    await this.print(result, renderUsage);
  }
}
