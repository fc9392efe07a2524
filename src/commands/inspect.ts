import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import { checkWarmFlag, fromFlag, imageArg, layersFlag, platformFlag, tiersFlag } from '../cli/flags.ts';
import { fromRequest, platformRequest } from '../cli/request-values.ts';

export class InspectCommand extends BaseCommand {
  static override summary = 'Show what an image is, layer by layer, and where it is warm.';
  static override usage = 'inspect IMAGE [--from URL]... [--layers] [--tiers] [FLAGS]';
  static override examples = [
    '$ clipctl inspect alpine:3.20',
    '$ clipctl inspect app.clip --tiers --from file:///mnt/cache',
    '$ clipctl inspect alpine:3.20 --json | jq .totals',
    '$ clipctl inspect app.clip --check-warm -q || clipctl warm app.clip',
  ];
  static override args = { image: imageArg };
  static override flags = {
    platform: platformFlag,
    from: fromFlag,
    layers: layersFlag,
    tiers: tiersFlag,
    'check-warm': checkWarmFlag,
  };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const { inspectImage } = await import('../lib/operations/inspect.ts');
    const request = { image: String(args['image']), ...platformRequest(values), from: fromRequest(values) };
    const result = await inspectImage(session, request);
    const { renderInspect } = await import('../cli/render/inspect.ts');
    const view = { layers: values.toggle('layers'), tiers: values.toggle('tiers') };
    await this.print(result, (found, surface) => renderInspect(found, view, surface));
    if (values.toggle('check-warm') && !result.warm) this.answerNo();
  }
}
