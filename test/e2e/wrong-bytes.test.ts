/** RELIABILITY §1.3 rows 9 and 10 through a registry: wrong bytes are fetched once more and no more, kept nowhere and sent nowhere. */
import { readdir, readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobPath } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type Fault } from '../servers/loopback-registry.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

const FILES = { 'a/': '', 'a/file': 'content '.repeat(1000) };
const LIE = `sha256:${'0'.repeat(64)}`;

/** Names of layers that stand in a directory, whole or not. */
async function layersIn(...path: readonly string[]): Promise<string[]> {
  const names = await readdir(home.path(...path), { recursive: true }).catch(() => []);
  return names.filter((name) => /(?:^|\/)[0-9a-f]{64}$/.test(name));
}

describe('row 9: a blob of', () => {
  it.each<[string, (blob: Buffer) => Fault, string]>([
    ['one flipped bit', () => ({ flipAt: 50 }), 'DIGEST_MISMATCH'],
    ['one byte less', (blob) => ({ replaceBody: blob.subarray(0, -1) }), 'SIZE_MISMATCH'],
    ['one byte more', (blob) => ({ replaceBody: Buffer.concat([blob, Buffer.from([0])]) }), 'SIZE_MISMATCH'],
    ['the right size with other bytes', (blob) => ({ replaceBody: Buffer.alloc(blob.length, 7) }), 'DIGEST_MISMATCH'],
  ])('%s is exit 7 after one more try, and is neither kept nor sent', async (_, faultOf, code) => {
    const made = await makeLayout(home.path('app'), [{ files: FILES }]);
    const digest = made.layers[0]?.digest ?? '';
    const fault = faultOf(await readFile(blobPath(made.directory, digest)));
    const registry = await startLoopbackRegistry({
      repositories: { app: made.directory },
      script: ({ path }) => (path.endsWith(digest) ? fault : undefined),
    });
    try {
      const to = `file://${home.path('remote')}`;
      const result = await home.run(['warm', `${registry.host}/app:v1`, '--to', to, '--json']);
      const error = result.json().error;
      expect([result.code, error?.code]).toEqual([7, code]);
      if (code === 'DIGEST_MISMATCH') expect(error?.message.match(/sha256:[0-9a-f]{64}/g)?.length).toBeGreaterThanOrEqual(2);
      expect(registry.requests.filter(({ path }) => path.endsWith(digest))).toHaveLength(2);
      expect([await layersIn('cache'), await layersIn('remote')]).toEqual([[], []]);
    } finally {
      await registry.close();
    }
  });
});

it('row 10: a layer whose diffID is another is exit 7, and stands under neither name', async () => {
  const made = await makeLayout(home.path('app'), [{ files: FILES, claims: { diffId: LIE } }]);
  const registry = await startLoopbackRegistry({ repositories: { app: made.directory } });
  try {
    const to = `file://${home.path('remote')}`;
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--to', to, '--json']);
    expect([result.code, result.json().error?.code]).toEqual([7, 'DIFF_ID_MISMATCH']);
    expect(result.json().error?.message).toContain(LIE);
    expect([await layersIn('cache'), await layersIn('remote')]).toEqual([[], []]);
  } finally {
    await registry.close();
  }
});
