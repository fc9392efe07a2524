import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import { imageArg, onlyPlatformFlag } from '../cli/flags.ts';
import { platformRequest } from '../cli/request-values.ts';

export class VerifyCommand extends BaseCommand {
  static override summary = 'Check an image; exit 7 when a byte of it is wrong.';
  static override description =
    'Reads manifests, configs and every layer once and keeps nothing: sizes, digests, diffIDs, checksums, the tar, repeated paths.';
  static override usage = 'verify IMAGE [--platform OS/ARCH] [FLAGS]';
  static override examples = [
    '$ clipctl verify alpine:3.20',
    '$ clipctl verify oci:./layout:v2 --platform linux/arm64',
    '$ clipctl verify docker-archive:app.tar --json | jq .problems',
  ];
  static override args = { image: imageArg };
  static override flags = { platform: onlyPlatformFlag };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const { verifyImage } = await import('../lib/operations/verify-image.ts');
    const { failureOf } = await import('../lib/operations/verify-results.ts');
    const request = { image: String(args['image']), ...platformRequest(values), full: false };
    const result = await verifyImage(session, request);
    const { renderVerify } = await import('../cli/render/verify.ts');
    await this.print(result, renderVerify);
    const failure = failureOf(result.problems);
    if (failure !== undefined) this.failWith(failure);
  }
}
