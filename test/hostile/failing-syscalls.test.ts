/** RELIABILITY §2 row 3, in part: each call that a commit is made of fails once. All of them: test/long/failing-syscalls.test.ts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { expectSound } from './expect-fault.ts';
import { warmWithFault } from './failing-syscall.ts';
import { serveStoppedImage, type StoppedImage } from './stopped-transfer.ts';

let home: string;
let image: string;
let stopped: StoppedImage;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-faults-'));
  image = (await makeMixedImage(join(home, 'image'), 500_000, ['gzip'])).reference;
  stopped = await serveStoppedImage(join(home, 'stopped'));
});
afterAll(async () => {
  await stopped.close();
  await rm(home, { recursive: true, force: true });
});

// The names of the calls are those of x86-64: elsewhere node makes others.
describe.skipIf(process.arch !== 'x64' || !canTrace())('§2 row 3: a warm whose', () => {
  it.each([
    { call: 'pwrite64', errno: 'ENOSPC', nth: 1, what: 'write of the layer' },
    { call: 'pwrite64', errno: 'EDQUOT', nth: 1, what: 'write of the layer' },
    { call: 'pwritev', errno: 'EDQUOT', nth: 1, what: 'later write of the layer' },
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
    const report = await warmWithFault({ image }, fault);
    expect(report.isInjected).toBe(true);
    expectSound(fault, report, 1);
  });

  it.each([
    { call: 'pwrite64', errno: 'EINTR', nth: 1, what: 'write of the layer is interrupted' },
    { call: 'pwritev', errno: 'EINTR', nth: 1, what: 'later write of the layer is interrupted' },
    { call: 'fsync', errno: 'EINTR', nth: 1, what: 'flush of the layer is interrupted' },
    { call: 'link', errno: 'EXDEV', nth: 2, what: 'final name can be no link' },
  ])('$what ($call $nth, $errno) succeeds', async (fault) => {
    const report = await warmWithFault({ image }, fault);
    expect(report).toMatchObject({ isInjected: true, code: 0 });
    expectSound(fault, report, 1);
  });
});

describe('§2 row 3: a warm that goes on with a stopped one, whose', () => {
  it.each([
    { thread: 'worker', call: 'open', errno: 'EMFILE', nth: 1, what: 'partial file does not open' },
    { thread: 'worker', call: 'write', errno: 'ENOSPC', nth: 2, what: 'partial file can not grow' },
    { thread: 'worker', call: 'fdatasync', errno: 'EIO', nth: 1, what: 'early flush fails' },
    { thread: 'main', call: 'ftruncate', errno: 'EIO', nth: 1, what: 'partial file can not be cut' },
    { thread: 'main', call: 'open', errno: 'EIO', nth: 1, what: 'first file does not open' },
    { thread: 'main', call: 'write', errno: 'EDQUOT', nth: 2, what: 'own state can not be written' },
  ] as const)('$what ($call $nth, $errno) ends with 8 and one message or succeeds, and the next one succeeds', async (fault) => {
    const report = await warmWithFault({ image: stopped.reference, before: (cacheDir) => stopped.stopIn(cacheDir) }, fault);
    expect(report.isInjected).toBe(true);
    expectSound(fault, report, 1);
  });
});
