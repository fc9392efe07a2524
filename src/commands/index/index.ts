import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import {
  allPlatformsFlag,
  checkpointIntervalFlag,
  dryRunFlag,
  indexableArg,
  outputFlag,
  platformsFlag,
  storageRefFlag,
  strictFlag,
  toFlag,
  warmFlag,
} from '../../cli/flags.ts';
import { platformsRequest, readOnlyRequest } from '../../cli/request-values.ts';

export class IndexCommand extends BaseCommand {
  static override summary = 'Write a .clip index of an image: one verified pass over each layer.';
  static override usage = 'index IMAGE [-o FILE.clip] [--platform OS/ARCH]... [FLAGS]';
  static override examples = [
    '$ clipctl index alpine:3.20',
    '$ clipctl index ghcr.io/org/app:v2 -o app.clip --platform linux/arm64',
    '$ clipctl index oci:./layout:v2 --warm --to file:///mnt/cache',
    '$ clipctl index alpine --all-platforms --json | jq .platforms[].output',
  ];
  static override args = { image: indexableArg };
  static override flags = {
    output: outputFlag,
    platform: platformsFlag,
    'all-platforms': allPlatformsFlag,
    'checkpoint-interval': checkpointIntervalFlag,
    'storage-ref': storageRefFlag,
    warm: warmFlag,
    to: toFlag,
    strict: strictFlag,
    'dry-run': dryRunFlag,
  };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const output = values.text('output');
    const storageRef = values.text('storage-ref');
    const checkpointIntervalBytes = values.sizeBytes('checkpoint-interval', '64KiB');
    const request = {
      image: String(args['image']),
      platforms: platformsRequest(values),
      allPlatforms: values.toggle('all-platforms'),
      warm: values.toggle('warm'),
      // Sending gigabytes is no part of writing an index: only --to asks for it, not the config file's remotes.
      to: values.texts('to') ?? [],
      readOnly: readOnlyRequest(values),
      strict: values.toggle('strict', values.config.strict),
      ...(output === undefined ? {} : { output }),
      ...(storageRef === undefined ? {} : { storageRef }),
      ...(checkpointIntervalBytes === undefined ? {} : { checkpointIntervalBytes }),
    };
    if (values.toggle('dry-run')) {
      const { planIndex } = await import('../../lib/operations/plan.ts');
      await this.printPlan(await planIndex(session, request));
      return;
    }
    const { indexImage } = await import('../../lib/operations/index-image.ts');
    const result = await indexImage(session, request);
    const { renderIndex } = await import('../../cli/render/index-summary.ts');
    // What is sent on is read from the disk cache, so it stays there too.
    const view = { kept: request.warm || request.to.length > 0 };
    await this.print(result, (written, surface) => renderIndex(written, view, surface));
  }
}
