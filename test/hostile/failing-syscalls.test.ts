/** RELIABILITY §2 row 3, in part: each call that a commit is made of fails once. All of them: test/long/failing-syscalls.test.ts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { expectSound } from './expect-fault.ts';
import { warmWithFault } from './failing-syscall.ts';

let home: string;
let image: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-faults-'));
  image = (await makeMixedImage(join(home, 'image'), 500_000, ['gzip'])).reference;
});
afterAll(() => rm(home, { recursive: true, force: true }));

// The names of the calls are those of x86-64: elsewhere node makes others.
describe.skipIf(process.arch !== 'x64' || !canTrace())('row 3: a warm whose', () => {
  it.each([
    { call: 'pwrite64', errno: 'ENOSPC', nth: 1, what: 'write of the layer' },
    { call: 'fchmod', errno: 'EROFS', nth: 1, what: 'seal' },
    { call: 'fsync', errno: 'EIO', nth: 1, what: 'flush of the layer' },
    { call: 'link', errno: 'ENOSPC', nth: 1, what: 'lock' },
    { call: 'link', errno: 'EDQUOT', nth: 2, what: 'final name' },
    { call: 'fsync', errno: 'EIO', nth: 2, what: 'flush of the directory' },
    { call: 'rename', errno: 'EIO', nth: 2, what: 'record' },
    { call: 'rename', errno: 'EIO', nth: 4, what: 'clock at the end' },
    { call: 'mkdir', errno: 'EDQUOT', nth: 3, what: 'cache directory' },
    { call: 'rmdir', errno: 'EIO', nth: 1, what: 'removal of the transfer' },
    { call: 'unlink', errno: 'EIO', nth: 3, what: 'unlocking' },
  ])('$what fails ($call $nth, $errno) ends with 8 and one message, and the next one succeeds', async (fault) => {
    const report = await warmWithFault(image, fault);
    expect(report.isInjected).toBe(true);
    expectSound(fault, report, 1);
  });
});
