/** Remotes that take connections and never answer: what a warm has to wait for them in all. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startRawServer, type RawServer } from '../servers/raw-server.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
let app: MadeLayout;
let holes: RawServer[];

beforeEach(async () => {
  home = await makeHome();
  app = await makeLayout(home.path('app'), [
    { files: { 'etc/base': Buffer.alloc(200_000, 'base') } },
    { files: { 'opt/app': 'app' }, compression: 'zstd' },
    { files: { 'opt/more': 'more' } },
  ]);
  holes = await Promise.all(Array.from({ length: 3 }, () => startRawServer(() => undefined)));
});
afterEach(async () => {
  await Promise.all(holes.map((hole) => hole.close()));
  await home.remove();
});

describe('row 16: several black holes together add less than 10 s', () => {
  it.each([
    ['three to read', '--from', 3],
    ['two to fill', '--to', 2],
  ])(
    '%s',
    async (_, flag, count) => {
      const urls = holes.slice(0, count).map(({ port }) => `http://127.0.0.1:${port}/cas`);
      const result = await home.run(['warm', app.reference, ...urls.flatMap((url) => [flag, url]), '--json']);
      expect(result.code, result.stderr).toBe(0);
      const document = result.json<WarmResult>();
      expect(document.warnings).toHaveLength(count);
      expect(document.durationMs).toBeLessThan(10_000);
      expect(document.totals.layers).toBe(3);
    },
    30_000,
  );
});
