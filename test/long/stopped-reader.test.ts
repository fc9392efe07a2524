/** A command that the machine stops again and again keeps the connection it has: what lies in its socket is not fetched twice. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { makeMixedImage, servedOf } from '../e2e/mixed-image.ts';
import { makeHome } from '../e2e/run-cli.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
const RUNNING_MS = 100;

it.each([200, 400])(
  'a layer of 256 MiB whose reader is stopped for %i ms each 100 ms comes over one stream, each byte once',
  async (stoppedMs) => {
    const home = await makeHome();
    const image = await makeMixedImage(home.path('image'), 256 * MIB, ['none']);
    const registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    const { digest = '', compressedBytes = 0 } = image.layers[0] ?? {};
    const warm = ['warm', `${registry.host}/app:v1`, '--cache-dir', home.cacheDir, '--min-free', '0', '--progress', 'none'];
    const env = { PATH: process.env['PATH'] ?? '', HOME: home.dir };
    const child = spawn(process.execPath, [BIN, ...warm], { stdio: 'ignore', env });
    const closed = once(child, 'close');
    while (child.exitCode === null) {
      await sleep(RUNNING_MS);
      child.kill('SIGSTOP');
      await sleep(stoppedMs);
      child.kill('SIGCONT');
    }
    await closed;
    expect(child.exitCode).toBe(0);
    expect(servedOf(registry, digest)).toBe(compressedBytes);
    await registry.close();
    await home.remove();
  },
  120_000,
);
