/** A process that was stopped (SIGSTOP, a debugger) keeps its locks: who waits for it says that it is stopped. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile, readlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededContent } from '../cache/seeded-content.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** Who is let in near a limit takes it (admission.ts). */
const ADMISSION = '0'.repeat(64);

let home: Home;
let image: MadeLayout;
let holder: ChildProcess;
beforeEach(async () => {
  home = await makeHome();
  image = await makeLayout(home.path('image'), [{ files: { 'a.bin': seededContent(1, 4 * MIB).slice(0, 4 * MIB) } }]);
  const first = await makeLayout(home.path('first'), [{ files: { 'a.txt': 'makes the directories' } }]);
  expect((await warm(first)).code).toBe(0);
  holder = spawn('sleep', ['60'], { stdio: 'ignore' });
  await once(holder, 'spawn');
  holder.kill('SIGSTOP');
});
afterEach(async () => {
  holder.kill('SIGKILL');
  await home.remove();
});

function warm({ reference }: MadeLayout, ...flags: readonly string[]): Promise<CliResult> {
  const args = ['warm', reference, '--progress', 'plain', '--min-free', '0', '--max-cache-size', '8MiB', ...flags];
  return home.run(args, { env: { CLIPCTL_LOCKS: 'lease' } });
}

/** The lease of a lock, as the process would have written it. */
async function holdLock(hash: string): Promise<void> {
  const pid = holder.pid ?? 0;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const started = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const place = `${boot} ${await readlink('/proc/self/ns/pid')}`;
  const lease = { kind: 'lease', token: 'a', pid, host: hostname(), command: 'clipctl warm', place, started };
  await writeFile(join(home.cacheDir, '.clipctl/v1/locks', `${hash}.lease`), JSON.stringify(lease));
}

describe.skipIf(process.platform !== 'linux')('a holder that is stopped', () => {
  it('of the lock of those who are let in is named as stopped, and waited for; its death lets the others go on', async () => {
    await holdLock(ADMISSION);
    const waiter = warm(image);
    await sleep(3000);
    holder.kill('SIGKILL');
    const { code, stderr } = await waiter;
    expect(code, stderr).toBe(0);
    const who = `lock pid ${holder.pid ?? 0} (clipctl warm) on ${hostname()}, which is stopped`;
    expect(stderr).toContain(`waiting for room in the cache directory: ${who}`);
  });

  it('of the lock of a layer is named as stopped; a limit of waiting ends with 8, and how to let it go on', async () => {
    await holdLock(String(image.layers[0]?.diffId).replace('sha256:', ''));
    const { code, stderr } = await warm(image, '--lock-timeout', '2s');
    expect(code, stderr).toBe(8);
    expect(stderr).toContain(`lock pid ${holder.pid ?? 0} (clipctl warm) on ${hostname()}, which is stopped`);
    expect(stderr).toContain('is stopped, and has a layer that this command waits for');
    expect(stderr).toContain(`kill -CONT ${holder.pid ?? 0}`);
  });
});
