/** What `clipctl index` writes, read by a standard-library Go program as Go CLIP would, against what Go CLIP read of its own. */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeHome, type Home } from '../../e2e/run-cli.ts';
import { compareDumps, judgeDifferences } from '../../fixtures-truth/compare-dump.ts';
import { KNOWN_DIFFERENCES } from '../../fixtures-truth/known-differences.ts';
import type { DumpDocument } from '../../fixtures-truth/dump.ts';
import { readGoDump } from '../../fixtures-truth/read-fixture.ts';
import { FIXTURE_NAMES, fixtureLayout } from '../../pipeline/fixture-layers.ts';
import { dumpWithGo } from '../clip/dump-with-go.ts';

let home: Home;
beforeAll(async () => {
  home = await makeHome();
});
afterAll(() => home.remove());

async function indexFixture(name: string): Promise<string> {
  const output = join(home.dir, `${name}.clip`);
  const storageRef = `127.0.0.1:5000/small/${name}:v1`;
  const result = await home.run(['index', `oci:${fixtureLayout(name)}:v1`, '-o', output, '--storage-ref', storageRef]);
  expect(result.code, result.stderr).toBe(0);
  return output;
}

it.each(['duplayer', 'multiplatform', 'odd-gzip'])(
  'Go reads our index of %s as Go CLIP reads its own, but for the named differences',
  async (name) => {
    const judgement = judgeDifferences(
      compareDumps((await dumpWithGo(await indexFixture(name))) as DumpDocument, await readGoDump(name)),
      KNOWN_DIFFERENCES[name] ?? [],
    );
    expect(judgement.unexplained).toEqual([]);
    expect(judgement.stale).toEqual([]);
  },
);

it.each(FIXTURE_NAMES)('Go reads our index of %s', async (name) => {
  const dump = await dumpWithGo(await indexFixture(name));
  expect(dump.nodes[0]).toMatchObject({ path: '/', type: 'dir' });
  expect(dump.nodes.length).toBeGreaterThan(4);
});
