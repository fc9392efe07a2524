/** RELIABILITY §1.3 row 20: which directory that an administrator has made is a group's, and what is said of the others. */
import { chmod } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { seededContent } from '../cache/seeded-content.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { cachedLayers } from './cache-state.ts';
import { makeGroup, namesWithModes, type Group } from './group.ts';
import { makeHome, type Home } from './run-cli.ts';

let store: Home;
let image: string;
let group: Group;
beforeAll(async () => {
  store = await makeHome();
  await chmod(store.dir, 0o755);
  const { directory } = await makeLayout(store.path('image'), [{ files: { 'a.bin': seededContent(1, 4096).slice(0, 4096) } }]);
  image = `oci:${directory}:v1`;
});
afterAll(() => store.remove());
afterEach(() => group.remove());

interface DoctorDocument {
  readonly cache: { readonly shared: boolean };
  readonly checks: readonly {
    readonly area: string;
    readonly status: string;
    readonly message: string;
    readonly hint?: string;
  }[];
}

async function doctor(): Promise<DoctorDocument> {
  return (await group.run('ann', ['doctor', '--json'])).json<DoctorDocument>();
}

describe.skipIf(process.getuid?.() !== 0)('§1.3 row 20: a directory of mode', () => {
  it.each([
    ['2770', ['440', '640', '660']],
    ['2771', ['440', '640', '660']],
    ['2775', ['444', '644', '664']],
  ])('%s is a group’s: what is made in it has its mode, and files have what follows from it', async (mode, files) => {
    group = await makeGroup(0o077, Number.parseInt(mode, 8));
    for (const member of ['ann', 'bob'] as const) {
      const { code, stderr } = await group.run(member, ['warm', image]);
      expect(code, stderr).toBe(0);
    }
    const found = await namesWithModes(group.cacheDir);
    const modes = ({ name, mode: its }: { name: string; mode: string }): string[] => (name === '.' ? [] : [its]);
    expect([...new Set(found.directories.flatMap(modes))]).toEqual([mode]);
    expect([...new Set(found.files.flatMap(modes))].filter((each) => !files.includes(each))).toEqual([]);
    expect((await doctor()).cache.shared).toBe(true);
    expect(found.directories.find(({ name }) => name === '.')?.mode).toBe(mode);
  });

  it.each(['3770', '3775'])(
    '%s is refused with exit 8, which says what is in the way, and nothing is made there',
    async (mode) => {
      group = await makeGroup(0o022, Number.parseInt(mode, 8));
      const { code, stderr } = await group.run('ann', ['warm', image]);
      expect(code).toBe(8);
      expect(stderr).toContain('is sticky: members of its group could not evict');
      expect(stderr).toContain('chmod -t');
      expect(await cachedLayers({ cacheDir: group.cacheDir })).toEqual([]);
      expect((await namesWithModes(group.cacheDir)).directories.map(({ name }) => name)).toEqual(['.']);
      expect((await doctor()).checks).toContainEqual(
        expect.objectContaining({ area: 'cache', status: 'problem', code: 'STORAGE_DENIED' }),
      );
    },
  );

  it.each(['2777', '777'])(
    '%s is no group’s: everybody may write to it; what is made there is its maker’s alone',
    async (mode) => {
      group = await makeGroup(0o022, Number.parseInt(mode, 8));
      expect((await group.run('ann', ['warm', image])).code).toBe(0);
      const { directories } = await namesWithModes(group.cacheDir);
      for (const { name, mode: its } of directories) if (name !== '.') expect(its.slice(-3)).toBe('700');
      const { cache, checks } = await doctor();
      expect(cache.shared).toBe(false);
      expect(checks).toContainEqual(
        expect.objectContaining({ area: 'cache', status: 'warning', hint: expect.stringContaining('chmod 2770') as unknown }),
      );
    },
  );
});
