/** RELIABILITY §1.3 row 18: `--repair-remote` where a registry refuses to put right what it holds wrong. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../servers/docker-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
let app: MadeLayout;
let server: DockerRegistry;
let turns = 0;
const url = (): string => `oci://${server.host}/team/cache`;

/** Zeros in the place of every layer that the registry has. */
async function poison(): Promise<void> {
  for (const { diffId } of app.layers) {
    const hex = diffId.slice('sha256:'.length);
    const path = join(server.storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    const { length } = await readFile(path);
    await rm(path);
    await writeFile(path, Buffer.alloc(length));
  }
}

describe.skipIf(dockerRegistryMissing() !== undefined)('row 18: wrong content that a registry refuses to replace', () => {
  beforeAll(async () => {
    home = await makeHome();
    app = await makeLayout(home.path('app'), [{ files: { a: Buffer.alloc(200_000, 'a') } }, { files: { b: 'b' } }]);
    server = await startDockerRegistry();
    const pushed = await home.run(['push-cache', app.reference, '--to', url(), '--json']);
    expect(pushed.code, pushed.stderr).toBe(0);
    await poison();
  });
  afterAll(async () => {
    await server.close();
    await home.remove();
  });
  let cacheDir: string;
  beforeEach(() => {
    cacheDir = home.path(`cold-${(turns += 1)}`);
  });

  it.each([
    ['deletes nothing', { deletes: false }, 'does not delete'],
    ['takes no writes', { isReadOnly: true }, 'does not delete'],
    ['keeps the blob that it has', {}, 'keeps wrong bytes'],
  ])('since it %s costs a warm a warning; the image itself serves, and the disk is right', async (_what, options, reason) => {
    await server.restart(options);
    const args = ['warm', app.reference, '--from', url(), '--repair-remote', '--cache-dir', cacheDir, '--json'];
    const result = await home.run(args);
    expect(result.code, result.stderr).toBe(0);
    const { images, remotes, warnings } = result.json<WarmResult>();
    expect(images[0]?.layers.map(({ servedBy }) => servedBy)).toEqual(['layout', 'layout']);
    expect(remotes).toMatchObject([{ hits: 0, corrupt: 2, repaired: 0 }]);
    expect(warnings.join('\n')).toContain('holds wrong bytes');
    expect(warnings.join('\n')).toContain(reason);
    const checked = await home.run(['cache', 'verify', '--full', '--cache-dir', cacheDir, '--json']);
    expect([checked.code, checked.json()['checked']], checked.stderr).toEqual([0, 2]);
    const again = await home.run(args);
    expect([again.code, again.json<WarmResult>().warnings]).toEqual([0, []]);
  });
});
