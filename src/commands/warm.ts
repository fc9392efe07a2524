import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import {
  dryRunFlag,
  fromFileFlag,
  fromFlag,
  imagesArg,
  layerFlag,
  platformFlag,
  remoteFlag,
  repairRemoteFlag,
  toFlag,
} from '../cli/flags.ts';
import { fromRequest, imagesRequest, layersRequest, platformRequest, readOnlyRequest, toRequest } from '../cli/request-values.ts';

export class WarmCommand extends BaseCommand {
  static override summary = 'Bring layers into the disk cache from the nearest tier: disk, remote, registry.';
  static override usage = 'warm IMAGE... [--from URL]... [--to URL]... [FLAGS]';
  static override examples = [
    '$ clipctl warm alpine:3.20 ghcr.io/org/app:v2',
    '$ clipctl warm app.clip --from file:///mnt/cache',
    '$ clipctl warm ghcr.io/org/app:v2 --to file:///mnt/cache --remote required',
    '$ helm template ./chart | clipctl warm --from-file -',
    '$ clipctl warm ghcr.io/org/app:v2 --dry-run',
  ];
  static override args = { image: imagesArg };
  static override flags = {
    'from-file': fromFileFlag,
    platform: platformFlag,
    from: fromFlag,
    to: toFlag,
    remote: remoteFlag,
    'repair-remote': repairRemoteFlag,
    layer: layerFlag,
    'dry-run': dryRunFlag,
  };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const request = {
      images: await imagesRequest(args, values, session.signal),
      ...platformRequest(values),
      from: fromRequest(values),
      to: toRequest(values),
      remote: values.choice('remote', ['optional', 'required']) ?? values.config.remote ?? ('optional' as const),
      layers: layersRequest(values),
      repairRemote: values.toggle('repair-remote', values.config.repairRemote),
      readOnly: readOnlyRequest(values),
    };
    if (values.toggle('dry-run')) {
      const { planWarm } = await import('../lib/operations/plan.ts');
      await this.printPlan(await planWarm(session, request));
      return;
    }
    const { warmImages } = await import('../lib/operations/warm.ts');
    const result = await warmImages(session, request);
    const { renderWarm } = await import('../cli/render/warm-summary.ts');
    await this.print(result, renderWarm);
  }
}
