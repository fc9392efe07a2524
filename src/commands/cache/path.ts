import { BaseCommand, type Invocation } from '../../cli/base-command.ts';
import { maybeCachedArg } from '../../cli/flags.ts';

export class CachePathCommand extends BaseCommand {
  static override summary = 'Print where the disk cache is, or where the layers of an image stand in it.';
  static override usage = 'cache path [IMAGE|DIGEST] [FLAGS]';
  static override examples = [
    '$ clipctl cache path',
    '$ clipctl cache path alpine:3.20',
    '$ clipctl cache path alpine:3.20 --json | jq -r ".layers[].path"',
  ];
  static override args = { image: maybeCachedArg };

  protected override async execute({ args, session }: Invocation): Promise<void> {
    const { cachePath } = await import('../../lib/operations/cache-path.ts');
    const name = args['image'];
    const result = await cachePath(session, typeof name === 'string' ? name : undefined);
    await this.print(result, ({ path, layers }) => (name === undefined ? path : layers.map((layer) => layer.path).join('\n')));
  }
}
