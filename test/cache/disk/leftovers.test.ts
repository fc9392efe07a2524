/** RELIABILITY §2 row 24: what killed processes left of our own state. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newOwnedName } from '../../../src/lib/cache/disk/owned-name.ts';
import { makeCacheDirectory } from '../cache-directory.ts';

test('§2 row 24: a record on its way goes with the process that wrote it; one of a running process stays', async () => {
  const dir = await makeCacheDirectory();
  const ingests = join(dir.path, '.clipctl/v1/ingest');
  await mkdir(ingests, { recursive: true });
  const own = await newOwnedName();
  const [space, pid, ticks, random] = own.split('-');
  const ended = [space, pid, `${ticks ?? ''}1`, random].join('-');
  const elsewhere = ['0'.repeat(16), pid, ticks, random].join('-');
  for (const name of [own, ended, elsewhere]) await writeFile(join(ingests, `${name}.record`), '{}');
  await dir.open().removeLeftovers();
  expect((await readdir(ingests)).sort()).toEqual([`${own}.record`, `${elsewhere}.record`].sort());
  await dir.remove();
});
