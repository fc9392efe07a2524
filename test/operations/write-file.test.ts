import { execFileSync } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requireWritablePlace, writeFileAtomically } from '../../src/lib/operations/write-file.ts';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'clipctl-write-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const at = (...names: string[]): string => join(dir, ...names);
const bytes = Buffer.from('new');

describe('an output file', () => {
  it('is made, or replaced, and nothing else is left', async () => {
    await requireWritablePlace(at('x.clip'));
    await writeFileAtomically(at('x.clip'), [Buffer.from('old')]);
    await requireWritablePlace(at('x.clip'));
    await writeFileAtomically(at('x.clip'), [bytes.subarray(0, 3), bytes.subarray(3)]);
    expect(await readFile(at('x.clip'), 'utf8')).toBe('new');
    expect(await readdir(dir)).toEqual(['x.clip']);
  });

  it('may have the longest name that a file system takes', async () => {
    const longest = at('x'.repeat(255));
    await requireWritablePlace(longest);
    await writeFileAtomically(longest, [bytes.subarray(0, 3), bytes.subarray(3)]);
    expect(await readFile(longest, 'utf8')).toBe('new');
  });

  it('behind a link is replaced, and the link stays', async () => {
    await mkdir(at('far'));
    await writeFile(at('far/real.clip'), 'old');
    await symlink('far/real.clip', at('link.clip'));
    await requireWritablePlace(at('link.clip'));
    await writeFileAtomically(at('link.clip'), [bytes.subarray(0, 3), bytes.subarray(3)]);
    expect((await lstat(at('link.clip'))).isSymbolicLink()).toBe(true);
    expect(await readFile(at('far/real.clip'), 'utf8')).toBe('new');
    expect(await readdir(at('far'))).toEqual(['real.clip']);
  });

  it('that a chain of dangling links means is made where the last one points', async () => {
    await mkdir(at('far'));
    await symlink('far/second.clip', at('first.clip'));
    await symlink('real.clip', at('far/second.clip'));
    await requireWritablePlace(at('first.clip'));
    await writeFileAtomically(at('first.clip'), [bytes.subarray(0, 3), bytes.subarray(3)]);
    expect(await readFile(at('far/real.clip'), 'utf8')).toBe('new');
    expect((await lstat(at('first.clip'))).isSymbolicLink()).toBe(true);
  });
});

describe('what is no place for a file', () => {
  const places: [string, () => Promise<unknown>, string][] = [
    ['a directory', () => mkdir(at('n')), 'n'],
    ['a link to a directory', () => symlink(dir, at('n')), 'n'],
    ['a name that ends in a slash', async () => undefined, 'n/'],
    ['a fifo', async () => execFileSync('mkfifo', [at('n')]), 'n'],
    ['a link to a device', () => symlink('/dev/null', at('n')), 'n'],
  ];

  it.each(places)('%s is refused with USAGE, before the work and after it, and stays', async (_what, make, name) => {
    await make();
    const before = await readdir(dir);
    const path = `${dir}/${name}`;
    await expect(requireWritablePlace(path)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(writeFileAtomically(path, [bytes.subarray(0, 3), bytes.subarray(3)])).rejects.toMatchObject({ code: 'USAGE' });
    expect(await readdir(dir)).toEqual(before);
  });

  it('a link that leads to itself is refused', async () => {
    await symlink('n', at('n'));
    await expect(requireWritablePlace(at('n'))).rejects.toMatchObject({ code: 'STORAGE_ERROR' });
  });

  it.each(['none/x.clip', 'dangling'])('%s in a directory that is missing says so, and hints at -o', async (name) => {
    await symlink('none/x.clip', at('dangling'));
    await expect(requireWritablePlace(at(name))).rejects.toMatchObject({
      code: 'STORAGE_ERROR',
      hint: expect.stringContaining('-o') as string,
    });
  });
});
