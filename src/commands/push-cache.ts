import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import {
  allPlatformsFlag,
  compressFlag,
  dryRunFlag,
  fromFileFlag,
  imagesArg,
  noDiskFlag,
  platformsFlag,
  pushToFlag,
  verifyFlag,
} from '../cli/flags.ts';
import {
  compressRequest,
  imagesRequest,
  platformChoice,
  readOnlyRequest,
  toRequest,
  verifyRequest,
} from '../cli/request-values.ts';
import { ClipctlError } from '../lib/errors.ts';

export class PushCacheCommand extends BaseCommand {
  static override summary = 'Send decompressed layers from the disk cache into remote caches.';
  static override usage = 'push-cache IMAGE... --to URL... [FLAGS]';
  static override examples = [
    '$ clipctl push-cache alpine:3.20 --to file:///mnt/cache',
    '$ clipctl push-cache app.clip --to file:///mnt/a --to file:///mnt/b',
    '$ clipctl push-cache app.clip --to file:///mnt/cache --compress zstd:6',
    '$ clipctl push-cache app.clip --to file:///mnt/cache --no-disk --verify quick',
    '$ clipctl push-cache alpine:3.20 --to file:///mnt/cache --dry-run --json',
  ];
  static override args = { image: imagesArg };
  static override flags = {
    to: pushToFlag,
    'from-file': fromFileFlag,
    platform: platformsFlag,
    'all-platforms': allPlatformsFlag,
    compress: compressFlag,
    verify: verifyFlag,
    'no-disk': noDiskFlag,
    'dry-run': dryRunFlag,
  };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const request = {
      images: await imagesRequest(args, values, session.signal),
      ...platformChoice(values),
      to: toRequest(values),
      readOnly: readOnlyRequest(values),
      ...compressRequest(values),
      verify: verifyRequest(values),
      noDisk: values.toggle('no-disk'),
    };
    if (request.to.length === 0) {
      throw new ClipctlError('USAGE', 'missing --to: no remote cache to fill', {
        hint: 'Name one with --to URL, CLIPCTL_TO or "remotes" in the config file.',
      });
    }
    if (values.toggle('dry-run')) {
      const { planPush } = await import('../lib/operations/plan.ts');
      await this.printPlan(await planPush(session, request));
      return;
    }
    const { pushCache } = await import('../lib/operations/push-cache.ts');
    const result = await pushCache(session, request);
    const { renderPush } = await import('../cli/render/push-summary.ts');
    await this.print(result, renderPush);
  }
}
