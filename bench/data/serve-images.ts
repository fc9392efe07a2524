import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { BenchContext } from '../claim.ts';
import { TAG, type MadeImage } from './images.ts';

type ServedImage = Pick<MadeImage, 'repository' | 'layout'>;

export interface ServedImages {
  /** `127.0.0.1:port/name:tag` */
  readonly referenceOf: (image: ServedImage) => string;
}

/** Serves images from a registry in its own process, whose time is nobody's, as long as `use` takes. */
export async function withRegistry<T>(
  { program }: BenchContext,
  images: readonly ServedImage[],
  use: (served: ServedImages) => Promise<T>,
): Promise<T> {
  const [command = '', ...args] = program('registry', ...images.map(({ repository, layout }) => `${repository}=${layout}`));
  const registry = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const [host] = (await once(createInterface(registry.stdout), 'line')) as [string];
    return await use({ referenceOf: ({ repository }) => `${host}/${repository}:${TAG}` });
  } finally {
    registry.stdin.end();
    await once(registry, 'close');
  }
}
