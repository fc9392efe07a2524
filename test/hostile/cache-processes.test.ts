/** RELIABILITY §2 rows 1, 2, 11, 12 and §1.3 row 20 on the disk cache, with processes of their own. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { makeCacheDirectory, signal, storeIn, wrongFilesIn } from '../cache/cache-directory.ts';
import type { CacheDirectory } from '../cache/cache-directory.ts';
import { bundleChild, canMount, canTrace, inMountNamespace, runChild, spawnChild } from '../cache/cache-process.ts';
import { drain, seededContent } from '../cache/seeded-content.ts';

const MIB = 1 << 20;
const content = seededContent(40, 24 * MIB);
const { hash, sizeBytes } = content;
let tools: CacheDirectory;
let child: string;
let dir: CacheDirectory;

beforeAll(async () => {
  tools = await makeCacheDirectory();
  child = await bundleChild(dirname(tools.path));
});
afterAll(() => tools.remove());
beforeEach(async () => {
  dir = await makeCacheDirectory();
});
afterEach(() => dir.remove());

const storing = (where: string, size = sizeBytes): string[] => [process.execPath, child, 'store', where, '40', String(size)];
const reading = (where: string): string[] => [process.execPath, child, 'read', where, hash];

describe('kill -9 during a store', () => {
  it.each([
    ['the disk cache', (path: string) => path],
    ['a file remote', (path: string) => `file://${path}`],
  ])('leaves nothing wrong under a final name of %s, and the next store succeeds', async (_what, where) => {
    let killed = 0;
    for (let delayMs = 100; delayMs < 480; delayMs += 20) {
      const process = spawnChild(storing(where(dir.path)));
      const exited = once(process, 'exit');
      await Promise.race([sleep(delayMs), exited]);
      if (process.kill('SIGKILL')) killed += 1;
      await exited;
      expect(await wrongFilesIn(dir.path)).toEqual([]);
    }
    expect(killed).toBeGreaterThan(0);
    const result = await runChild(storing(where(dir.path)));
    expect(result['hash']).toBe(hash);
    expect(await wrongFilesIn(dir.path)).toEqual([]);
    expect(await readdir(dir.path)).toContain(hash);
  });
});

describe('many stores at once', () => {
  it('of one content by 100 callers and of four processes leave one right file and no temporary one', async () => {
    const small = seededContent(40, MIB);
    const cache = dir.open();
    const processes = Array.from({ length: 4 }, () => runChild(storing(dir.path, MIB)));
    await Promise.all(Array.from({ length: 100 }, () => storeIn(cache, small)));
    expect((await Promise.all(processes)).map((result) => result['hash'])).toEqual(Array(4).fill(small.hash));
    expect(await wrongFilesIn(dir.path)).toEqual([]);
    expect(await dir.open().checkLayer(small.hash)).toBe('verified');
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
    expect(dir.budget.usedBytes).toBe(0);
  });

  it('of 100 contents are all readable', async () => {
    const cache = dir.open();
    const contents = Array.from({ length: 100 }, (_, index) => seededContent(2000 + index, 10_000 + index));
    await Promise.all(contents.map((each) => storeIn(cache, each)));
    for (const each of contents) {
      expect((await drain(await cache.getContent(each.hash, { signal }))).hash).toBe(each.hash);
    }
    expect(await readdir(join(dir.path, '.clipctl/v1/ingest'))).toEqual([]);
  });
});

describe.skipIf(!canTrace())('the order of a commit, as the kernel sees it', () => {
  it.each([
    ['the disk cache', (path: string) => path],
    ['a file remote', (path: string) => `file://${path}`],
  ])('in %s is: flush the file, make the name, flush the directory', async (_what, where) => {
    const trace = join(dirname(dir.path), 'trace');
    const calls = 'trace=link,linkat,rename,renameat,renameat2,fsync,fdatasync';
    await runChild(['strace', '-f', '-y', '-e', calls, '-o', trace, ...storing(where(dir.path), 70 * MIB)]);
    const lines = (await readFile(trace, 'utf8'))
      .split('\n')
      .filter((line) => line.includes(' = 0') || line.includes('unfinished'));
    const at = (pattern: RegExp): number => lines.findLastIndex((line) => pattern.test(line));
    const flushed = at(/fsync\(\d+<[^>]*(\/layer|\.tmp)>/);
    const named = at(/link(at)?\([^)]*"[^"]*\/[0-9a-f]{64}"/);
    const directory = at(new RegExp(`fsync\\(\\d+<${dir.path}>`));
    expect(flushed).toBeGreaterThanOrEqual(0);
    expect(named).toBeGreaterThan(flushed);
    expect(directory).toBeGreaterThan(named);
    expect(lines.some((line) => line.includes('fdatasync('))).toBe(true);
  });
});

describe.skipIf(!canMount)('a read-only cache directory', () => {
  const readOnly = (command: string[]): string[] =>
    inMountNamespace(`mount --bind '${dir.path}' '${dir.path}' && mount -o remount,bind,ro '${dir.path}'`, command);

  it('serves what is in it, without a record too', async () => {
    await storeIn(dir.open(), content);
    expect(await runChild(readOnly(reading(dir.path)))).toEqual({ found: hash, verified: 'verified', exists: true });
    await runChild(['rm', '-r', join(dir.path, '.clipctl')]).catch(() => undefined);
    expect(await readdir(dir.path)).not.toContain('.clipctl');
    expect(await runChild(readOnly(reading(dir.path)))).toEqual({ found: hash, verified: 'verified', exists: true });
  });

  it('refuses a store with STORAGE_DENIED, naming the directory', async () => {
    await mkdir(dir.path);
    const result = await runChild(readOnly(storing(dir.path)));
    expect(result['code']).toBe('STORAGE_DENIED');
    expect(result['message']).toContain(dir.path);
  });
});

describe.skipIf(!canMount)('a full disk', () => {
  const onTmpfs = (command: string[], before = 'true'): string[] =>
    inMountNamespace(`mount -t tmpfs -o size=16m none '${dir.path}' && ${before}`, [
      'sh',
      '-c',
      `"$@"; r=$?; find '${dir.path}' -type f -name 'layer' >'${dir.path}.left'; ls '${dir.path}' >>'${dir.path}.left'; exit $r`,
      'sh',
      ...command,
    ]);

  it('is noticed before the first byte when the size says so', async () => {
    await mkdir(dir.path);
    const result = await runChild(onTmpfs(storing(dir.path)));
    expect(result['code']).toBe('STORAGE_FULL');
    expect(result['message']).toContain(`${sizeBytes} bytes needed`);
    expect((await readFile(`${dir.path}.left`, 'utf8')).trim()).toBe('CACHEDIR.TAG');
  });

  it('in the middle of a store fails with STORAGE_FULL and gives the space back', async () => {
    await mkdir(dir.path);
    const result = await runChild(onTmpfs(storing(`file://${dir.path}`)));
    expect(result['code']).toBe('STORAGE_FULL');
    expect((await readFile(`${dir.path}.left`, 'utf8')).trim()).toBe('');
  });
});
