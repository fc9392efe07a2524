import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { isMissing, openRegular, readOpened, type OpenedFile } from '../src/lib/regular-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-regular-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const at = (name: string): string => join(dir, name);

async function opened(name: string): Promise<OpenedFile> {
  const file = await openRegular(at(name));
  if (file === 'other') throw new Error(`${name} is no regular file`);
  return file;
}

it.each([
  ['a fifo', async () => execFileSync('mkfifo', [at('n')])],
  ['a directory', () => mkdir(at('n'))],
  ['a device', () => symlink('/dev/zero', at('n'))],
] as [string, () => Promise<unknown>][])('%s is not waited for and not taken for a file', async (_what, make) => {
  await make();
  expect(await openRegular(at('n'))).toBe('other');
});

it('a link is followed unless links are refused', async () => {
  await writeFile(at('real'), 'x');
  await symlink('real', at('link'));
  expect((await readOpened(await opened('link'))).toString()).toBe('x');
  expect(await openRegular(at('link'), { refuseLinks: true })).toBe('other');
});

it('a missing file is told apart from a broken one', async () => {
  await writeFile(at('file'), '');
  for (const name of ['none', 'file/below']) {
    const error: unknown = await openRegular(at(name)).catch((thrown: unknown) => thrown);
    expect(isMissing(error)).toBe(true);
  }
});

it('a file is read whole, as long as it was when it was opened, or as far as it still goes', async () => {
  const content = Buffer.alloc(3_000_000, 'content ');
  await writeFile(at('n'), content);
  expect((await readOpened(await opened('n'))).equals(content)).toBe(true);
  const grown = await opened('n');
  await writeFile(at('n'), 'more', { flag: 'a' });
  expect((await readOpened(grown)).equals(content)).toBe(true);
  const shrunk = await opened('n');
  await truncate(at('n'), 7);
  expect((await readOpened(shrunk)).toString()).toBe('content');
});
