import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { cachedArg } from '../../cli/flags.ts';

export class CacheUnpinCommand extends BaseCommand {
  static override summary = 'Let go of what was pinned: it is evicted like any other layer.';
  static override usage = 'cache unpin IMAGE|DIGEST [FLAGS]';
  static override examples = [
    '$ clipctl cache unpin alpine:3.20',
    '$ clipctl cache unpin oci:./layout:v2',
    '$ clipctl cache unpin alpine:3.20 --json | jq -r .pins[].name',
  ];
  static override args = { image: cachedArg };

  protected override async execute({ args, session }: Invocation): Promise<void> {
    const { unpinLayers } = await import('../../lib/operations/cache-pins.ts');
    const result = await unpinLayers(session, String(args['image']));
    const { renderPins } = await import('../../cli/render/cache-verify.ts');
    await this.print(result, renderPins);
  }
}
