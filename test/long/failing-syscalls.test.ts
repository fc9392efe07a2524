/** RELIABILITY §2 row 3: the first, second, … call of a kind fails, until a warm makes no more of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { expectSound } from '../hostile/expect-fault.ts';
import { warmWithFault } from '../hostile/failing-syscall.ts';

const MAX_CALLS = 200;

let home: string;
let image: string;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-faults-'));
  image = (await makeMixedImage(join(home, 'image'), 6_000_000)).reference;
});
afterAll(() => rm(home, { recursive: true, force: true }));

describe.skipIf(process.arch !== 'x64' || !canTrace())('row 3', () => {
  it.each([
    ['pwrite64', 'ENOSPC'],
    ['pwrite64', 'EDQUOT'],
    ['fsync', 'EIO'],
    ['link', 'ENOSPC'],
    ['rename', 'EIO'],
    ['rename', 'EDQUOT'],
    ['fchmod', 'EROFS'],
    ['mkdir', 'ENOSPC'],
    ['rmdir', 'EIO'],
    ['unlink', 'EIO'],
  ])('every %s of a warm fails with %s, one after the other: 8, one message, nothing wrong', async (call, errno) => {
    let nth = 1;
    for (; nth <= MAX_CALLS; nth += 1) {
      const report = await warmWithFault(image, { call, errno, nth });
      if (!report.isInjected) break;
      expectSound({ call, errno, nth }, report, 3);
    }
    process.stderr.write(`${call} ${errno}: ${nth - 1} calls\n`);
    expect(nth).toBeGreaterThan(1);
    expect(nth).toBeLessThan(MAX_CALLS);
  });
});
