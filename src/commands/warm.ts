import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import {
  allPlatformsFlag,
  dryRunFlag,
  fromFileFlag,
  fromFlag,
  imagesArg,
  layerFlag,
  noDiskFlag,
  platformsFlag,
  remoteFlag,
  repairRemoteFlag,
  toFlag,
  verifyFlag,
} from '../cli/flags.ts';
import {
  fromRequest,
  imagesRequest,
  layersRequest,
  platformChoice,
  readOnlyRequest,
  toRequest,
  verifyRequest,
} from '../cli/request-values.ts';
import type { FlagValues } from '../cli/flag-values.ts';
import { ClipctlError } from '../lib/errors.ts';

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
    platform: platformsFlag,
    'all-platforms': allPlatformsFlag,
    from: fromFlag,
    to: toFlag,
    remote: remoteFlag,
    verify: verifyFlag,
    'repair-remote': repairRemoteFlag,
    'no-disk': noDiskFlag,
    layer: layerFlag,
    'dry-run': dryRunFlag,
  };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const request = {
      images: await imagesRequest(args, values, session.signal),
      ...platformChoice(values),
      from: fromRequest(values),
      to: toRequest(values),
      remote: values.choice('remote', ['optional', 'required']) ?? values.config.remote ?? ('optional' as const),
      layers: layersRequest(values),
      repairRemote: values.toggle('repair-remote', values.config.repairRemote),
      readOnly: readOnlyRequest(values),
      verify: verifyRequest(values),
      noDisk: values.toggle('no-disk'),
    };
    if (request.noDisk) requireThrough(values, request);
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

/** Without the disk there is one way: from where the image is into a remote. @throws ClipctlError USAGE */
function requireThrough(values: FlagValues, { to }: { readonly to: readonly string[] }): void {
  if (to.length === 0) {
    throw new ClipctlError('USAGE', '--no-disk needs --to: nothing would be kept anywhere', {
      hint: 'Name a remote cache with --to URL, or leave out --no-disk.',
    });
  }
  if (values.isGiven('from')) throw new ClipctlError('USAGE', '--no-disk reads no remote: leave out --from');
}
