/** Every kind of remote cache, filled by `push-cache` and read by `warm --from`, beside the directory that all are compared with. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { BenchContext, Claim, Heat } from '../claim.ts';
import { oneFileLayerImage, type MadeImage } from '../data/images.ts';
import type { Contestant, Missing } from '../measure/contestant.ts';
import { interleave } from '../measure/interleave.ts';
import { BLOBCACHE, FILE, HTTP, REDIS, REGISTRY, S3, type RemoteStore } from '../peers/remote-kinds.ts';

const KINDS = [FILE, S3, HTTP, REDIS, REGISTRY, BLOBCACHE];
const run = promisify(execFile);

interface OpenStore extends RemoteStore {
  readonly name: string;
  /** Of a remote that holds the image. */
  readonly filledUrl: string;
}

interface Warmed {
  readonly image: MadeImage;
  readonly cacheDir: string;
}

export const remotes: Claim = {
  name: 'remotes',
  title: 'Filling and reading each kind of remote',
  measure: async (context) => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-bench-remotes-'));
    const stores: OpenStore[] = [];
    try {
      const image = await oneFileLayerImage(context);
      const warmed: Warmed = { image, cacheDir: join(folder, 'cache') };
      for (const kind of KINDS.filter(({ missing }) => missing === undefined)) {
        const store = await kind.start();
        const filledUrl = store.freshUrl(folder);
        stores.push({ ...store, name: kind.name, filledUrl });
        await runOf(pushTo(context, warmed, { ...store, url: filledUrl }));
      }
      const push = stores.map((store): Contestant => {
        const command = (own: string): readonly string[] => pushTo(context, warmed, { ...store, url: store.freshUrl(own) });
        return { name: store.name, isOurs: true, command };
      });
      const warm = stores.map((store): Contestant => {
        const command = (own: string): readonly string[] => warmFrom(context, image, { ...store, cacheDir: join(own, 'cache') });
        return { name: store.name, isOurs: true, command };
      });
      return {
        heats: [await heatOf(context, image, ['push-cache', push]), await heatOf(context, image, ['warm --from', warm])],
        targets: [],
        plots: [],
      };
    } finally {
      for (const store of stores) await store.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
};

async function heatOf(
  context: BenchContext,
  { bytes, description }: MadeImage,
  [title, contestants]: readonly [string, readonly Contestant[]],
): Promise<Heat> {
  const standings = await interleave(contestants, { runs: context.runs, onRun: (done) => context.tell(`${title}: ${done}`) });
  const missing = KINDS.flatMap(({ name, missing: reason }): Missing[] => (reason === undefined ? [] : [{ name, reason }]));
  return { title, data: description, outputBytes: bytes, standings, missing };
}

function pushTo(
  { clipctl }: BenchContext,
  { image, cacheDir }: Warmed,
  { login, url }: Pick<RemoteStore, 'login'> & { readonly url: string },
): readonly string[] {
  return [...login, ...clipctl('push-cache', `oci:${image.layout}`, '--to', url, '--cache-dir', cacheDir, '--json')];
}

function warmFrom(
  { clipctl }: BenchContext,
  { layout }: MadeImage,
  { login, filledUrl, cacheDir }: OpenStore & { readonly cacheDir: string },
): readonly string[] {
  const flags = ['--from', filledUrl, '--remote', 'required', '--cache-dir', cacheDir, '--json'];
  return [...login, ...clipctl('warm', `oci:${layout}`, ...flags)];
}

async function runOf([program = '', ...args]: readonly string[]): Promise<void> {
  await run(program, args);
}
