import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { cachedArg } from '../../cli/flags.ts';

export class CachePinCommand extends BaseCommand {
  static override summary = 'Keep the layers of an image in the disk cache: no eviction takes them.';
  static override usage = 'cache pin IMAGE|DIGEST [FLAGS]';
  static override examples = [
    '$ clipctl cache pin alpine:3.20',
    '$ clipctl cache pin oci:./layout:v2',
    '$ clipctl cache pin alpine:3.20 --json | jq -r .pins[].name',
  ];
  static override args = { image: cachedArg };

  protected override async execute({ args, session }: Invocation): Promise<void> {
    const { pinLayers } = await import('../../lib/operations/cache-pins.ts');
    const result = await pinLayers(session, String(args['image']));
    const { renderPins } = await import('../../cli/render/cache-verify.ts');
    await this.print(result, renderPins);
  }
}
