import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import { imageArg, onlyPlatformFlag } from '../cli/flags.ts';
import { platformRequest } from '../cli/request-values.ts';
import { ClipctlError } from '../lib/errors.ts';
import type { Session } from '../lib/operations/open-session.ts';
import type { VerifyRequest } from '../lib/operations/verify-image.ts';
import type { VerifyResult } from '../lib/operations/verify-results.ts';

export class VerifyCommand extends BaseCommand {
  static override summary = 'Check an image or an index; exit 7 when a byte of it is wrong.';
  static override description =
    'Reads manifests, configs and every layer once and keeps nothing: sizes, digests, diffIDs, checksums, the tar, repeated paths. Of a FILE.clip only the file is read.';
  static override usage = 'verify IMAGE|FILE.clip [--platform OS/ARCH] [FLAGS]';
  static override examples = [
    '$ clipctl verify alpine:3.20',
    '$ clipctl verify oci:./layout:v2 --platform linux/arm64',
    '$ clipctl verify app.clip',
    '$ clipctl verify docker-archive:app.tar --json | jq .problems',
  ];
  static override args = { image: imageArg };
  static override flags = { platform: onlyPlatformFlag };

  protected override async execute({ args, values, session }: Invocation): Promise<void> {
    const { failureOf } = await import('../lib/operations/verify-results.ts');
    const result = await this.#verify(session, { image: String(args['image']), ...platformRequest(values) });
    const { renderVerify } = await import('../cli/render/verify.ts');
    await this.print(result, renderVerify);
    const failure = failureOf(result.problems);
    if (failure !== undefined) this.failWith(failure);
  }

  async #verify(session: Session, request: VerifyRequest): Promise<VerifyResult> {
    const { isClipName } = await import('../lib/operations/open-image.ts');
    if (!isClipName(request.image)) return (await import('../lib/operations/verify-image.ts')).verifyImage(session, request);
    if (request.platform !== undefined) throw new ClipctlError('USAGE', '--platform chooses among images; an index is of one');
    return (await import('../lib/operations/verify-clip.ts')).verifyClip(session, request.image);
  }
}
