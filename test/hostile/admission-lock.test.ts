/** One process at a time lets layers in: who waits for that says for whom, and notices its death. RELIABILITY §2 row 13. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cachedLayers } from '../e2e/cache-state.ts';
import { makeHome, type CliResult, type Home } from '../e2e/run-cli.ts';
import { makeLayout } from '../servers/make-layout.ts';

const MIB = 1024 * 1024;

let home: Home;
let holder: ChildProcess;
beforeEach(async () => {
  home = await makeHome();
  holder = spawn('sleep', ['60']);
});
afterEach(async () => {
  holder.kill('SIGKILL');
  await home.remove();
});

/** A process that lives holds the lock, as if it had been stopped while it let a layer in. */
async function holdAdmission(): Promise<void> {
  const pid = holder.pid ?? 0;
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const lease = {
    kind: 'lease',
    token: 'f'.repeat(32),
    pid,
    host: 'somewhere',
    command: 'clipctl warm',
    place: `${boot} ${await readlink('/proc/self/ns/pid')}`,
    started: stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19],
  };
  const locks = join(home.cacheDir, '.clipctl/v1/locks');
  await mkdir(locks, { recursive: true, mode: 0o700 });
  await writeFile(join(locks, `${'0'.repeat(64)}.lease`), JSON.stringify(lease));
}

/** Of a layer that is no small share of the cap. */
async function warm(...flags: string[]): Promise<CliResult> {
  const { reference } = await makeLayout(home.path('image'), [{ files: { 'a.bin': Buffer.alloc(24 * MIB) } }]);
  const limits = ['--min-free', '0', '--max-cache-size', '60MiB'];
  return home.run(['warm', reference, '--progress', 'plain', ...limits, ...flags]);
}

describe.skipIf(process.platform !== 'linux')('a layer that waits until another process has let its own in', () => {
  it('says whom it waits for, and comes within 2 seconds when that is killed', async () => {
    await holdAdmission();
    const waiting = warm();
    await sleep(4000);
    expect(await cachedLayers(home)).toEqual([]);
    holder.kill('SIGKILL');
    const killedMs = performance.now();
    while ((await cachedLayers(home)).length === 0 && performance.now() - killedMs < 5000) await sleep(10);
    expect(performance.now() - killedMs).toBeLessThan(2000);
    const { code, stderr } = await waiting;
    expect(code, stderr).toBe(0);
    const said = `waiting for room in the cache directory: lock pid ${holder.pid ?? 0} (clipctl warm) on somewhere`;
    expect(stderr.split('\n').filter((line) => line.includes(said))).toHaveLength(1);
  });

  it('waits no longer than --lock-timeout, and leaves nothing', async () => {
    await holdAdmission();
    const { code, stderr } = await warm('--lock-timeout', '500ms');
    expect(code).toBe(8);
    expect(stderr).toMatch(new RegExp(`\\(pid ${holder.pid ?? 0} on somewhere\\).*\\[LOCK_TIMEOUT\\]`));
    expect(await cachedLayers(home)).toEqual([]);
  });
});
