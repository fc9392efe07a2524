/** RELIABILITY §2 row 3: the first, second, … call of a kind fails, until a warm makes no more of them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { canTrace } from '../cache/cache-process.ts';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { expectSound } from '../hostile/expect-fault.ts';
import { warmWithFault, type Fault, type FaultyWarm } from '../hostile/failing-syscall.ts';
import { serveStoppedImage, type StoppedImage } from '../hostile/stopped-transfer.ts';

const MAX_CALLS = 2000;
/** Of what is done again and again (the writes of a layer) not every one is tried behind these. */
const ALL_OF_THE_FIRST = 60;

let home: string;
let image: string;
let stopped: StoppedImage;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'clipctl-faults-'));
  image = (await makeMixedImage(join(home, 'image'), 6_000_000)).reference;
  stopped = await serveStoppedImage(join(home, 'stopped'));
});
afterAll(async () => {
  await stopped.close();
  await rm(home, { recursive: true, force: true });
});

/** Lets one after the other fail. */
async function failEach(warm: FaultyWarm, layers: number, fault: Omit<Fault, 'nth'>): Promise<void> {
  let nth = 1;
  let tried = 0;
  for (; nth <= MAX_CALLS; nth += nth < ALL_OF_THE_FIRST ? 1 : Math.ceil(nth / 10)) {
    const report = await warmWithFault(warm, { ...fault, nth });
    if (!report.isInjected) break;
    tried += 1;
    expectSound({ ...fault, nth }, report, layers);
  }
  process.stderr.write(`${fault.call} ${fault.errno} ${fault.thread ?? ''}: ${tried} calls failed, ${nth} was none\n`);
  expect(nth).toBeGreaterThan(1);
  expect(nth).toBeLessThan(MAX_CALLS);
}

describe.skipIf(process.arch !== 'x64' || !canTrace())('§2 row 3', () => {
  it.each([
    ['pwrite64', 'ENOSPC'],
    ['pwrite64', 'EDQUOT'],
    ['pwritev', 'ENOSPC'],
    ['pwritev', 'EIO'],
    ['fsync', 'EIO'],
    ['fsync', 'EINTR'],
    ['link', 'ENOSPC'],
    ['link', 'EXDEV'],
    ['rename', 'EIO'],
    ['rename', 'EDQUOT'],
    ['fchmod', 'EROFS'],
    ['mkdir', 'ENOSPC'],
    ['rmdir', 'EIO'],
    ['unlink', 'EIO'],
  ])('every %s of a warm fails with %s, one after the other: 8, one message, nothing wrong', async (call, errno) => {
    await failEach({ image }, 3, { call, errno });
  });
});

describe('§2 row 3: of a warm that goes on with a stopped one', () => {
  it.each([
    ['open', 'EIO', 'main'],
    ['open', 'EMFILE', 'main'],
    ['open', 'EMFILE', 'worker'],
    ['read', 'EIO', 'main'],
    ['read', 'EIO', 'worker'],
    ['write', 'ENOSPC', 'main'],
    ['write', 'EIO', 'worker'],
    ['fdatasync', 'EIO', 'worker'],
    ['fsync', 'ENOSPC', 'main'],
    ['ftruncate', 'EIO', 'main'],
  ] as const)('every %s fails with %s in the %s thread, one after the other: 8 or success, nothing wrong', async (...how) => {
    const [call, errno, thread] = how;
    const warm = { image: stopped.reference, before: (cacheDir: string) => stopped.stopIn(cacheDir) };
    await failEach(warm, 1, { call, errno, thread });
  });
});
