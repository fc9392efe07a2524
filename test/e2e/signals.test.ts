/** RELIABILITY §2 row 19: what stops a command while a layer is on its way, and what is left of it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import type { MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeMixedImage, servedOf } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
/** What was sent is decoded and noted after so long. */
const SETTLED_MS = 700;
/** Against hangs: three times the 2 seconds of the row. */
const CLEANED_UP_MS = 6000;
/** As stty says it. A pty that nobody gave a size has none. */
const WINDOW = 'rows 24 cols 80';
const NO_SIZE = 'rows 0 cols 0';
const HIDE = '\u001b[?25l';
const SHOW = '\u001b[?25h';

let store: Home;
let image: MadeLayout;
let home: Home;
let registry: LoopbackRegistry;

beforeAll(async () => {
  store = await makeHome();
  image = await makeMixedImage(join(store.dir, 'image'), 12 * MIB, ['gzip']);
}, 60_000);
afterAll(() => store.remove());
beforeEach(async () => {
  home = await makeHome();
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  registry.script = ({ path }) => (path.endsWith(layerOf().digest) ? { stallAt: 5 * MIB } : undefined);
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

function layerOf(): MadeLayout['layers'][number] {
  const [layer] = image.layers;
  if (layer === undefined) throw new Error('no layer');
  return layer;
}

const warm = (): string[] => ['warm', `${registry.host}/app:v1`, '--cache-dir', home.cacheDir];

/** The process that has the lock of the layer, once all that comes has come. */
async function holderAtWork(): Promise<number> {
  while (servedOf(registry, layerOf().digest) < 5 * MIB) await sleep(10);
  await sleep(SETTLED_MS);
  const locks = join(home.cacheDir, '.clipctl/v1/locks');
  const [lease = ''] = (await readdir(locks)).filter((name) => name.endsWith('.lease'));
  return (JSON.parse(await readFile(join(locks, lease), 'utf8')) as { pid: number }).pid;
}

async function expectResumed(): Promise<void> {
  expect(await cachedLayers(home)).toEqual([]);
  registry.script = undefined;
  const result = await home.run(warm());
  expect(result.code, result.stderr).toBe(0);
  expect(result.stdout).toMatch(/^resumed: .* kept$/m);
  expect(servedOf(registry, layerOf().digest) - layerOf().compressedBytes).toBeLessThanOrEqual(2 * MIB);
  expect(await leftovers(home)).toEqual([]);
}

describe('§2 row 19: a warm with a layer on its way', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('that gets %s ends with %i, says how to resume, and is resumed by the same command', async (signal, code) => {
    const running = home.run(warm());
    const pid = await holderAtWork();
    process.kill(pid, signal);
    const stoppedMs = performance.now();
    const result = await running;
    expect(performance.now() - stoppedMs).toBeLessThan(CLEANED_UP_MS);
    expect(result.code).toBe(code);
    expect(result.stderr).toContain('Run the same command again to resume');
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/locks'))).toEqual([]);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/leases'))).toEqual([]);
    await expectResumed();
  });

  it('that gets a second SIGINT ends at once with 130, and is resumed by the same command', async () => {
    const running = home.run(warm());
    const pid = await holderAtWork();
    process.kill(pid, 'SIGINT');
    process.kill(pid, 'SIGINT');
    const stoppedMs = performance.now();
    expect((await running).code).toBe(130);
    expect(performance.now() - stoppedMs).toBeLessThan(CLEANED_UP_MS);
    await expectResumed();
  });
});

async function ended(pid: number): Promise<void> {
  const isRunning = (): boolean => {
    try {
      return process.kill(pid, 0);
    } catch {
      return false;
    }
  };
  const startMs = performance.now();
  while (isRunning() && performance.now() - startMs < CLEANED_UP_MS) await sleep(20);
  expect(isRunning()).toBe(false);
}

interface Terminal {
  /** Everything that was drawn. */
  readonly screen: () => string;
  /** Exit code of the command, which the shell behind it notes. */
  readonly code: () => Promise<number>;
  /** Closes the window. */
  readonly close: () => void;
  readonly closed: Promise<unknown>;
}

/** Runs `command` on a terminal of its own. */
function onTerminal(command: readonly string[], size: string): Terminal {
  const codeFile = home.path('code');
  const line = command.map((word) => `'${word}'`).join(' ');
  const child = spawn('script', ['-qfc', `trap : INT; stty ${size}; ${line}; echo $? >'${codeFile}'`, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', HOME: home.dir, TERM: 'xterm', LANG: 'C.UTF-8', SHELL: '/bin/sh' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  let screen = '';
  child.stdout.on('data', (piece: Buffer) => (screen += piece.toString()));
  const code = async (): Promise<number> => {
    for (const startMs = performance.now(); performance.now() - startMs < CLEANED_UP_MS; await sleep(20)) {
      const text = await readFile(codeFile, 'utf8').catch(() => '');
      if (text !== '') return Number(text);
    }
    throw new Error('the command does not end');
  };
  return { screen: () => screen, code, close: () => void child.kill('SIGKILL'), closed: once(child, 'close') };
}

describe.skipIf(process.platform !== 'linux')('§2 row 19: a warm on a terminal', () => {
  it.each([
    ['SIGINT', 1, 130, WINDOW],
    ['SIGINT', 2, 130, WINDOW],
    ['SIGTERM', 1, 143, WINDOW],
    ['SIGINT', 1, 130, NO_SIZE],
  ] as const)('gives the cursor back after %s (%i times, exit %i, %s)', async (signal, times, code, size) => {
    const terminal = onTerminal([process.execPath, BIN, ...warm(), '--progress', 'tty'], size);
    const pid = await holderAtWork();
    for (let sent = 0; sent < times; sent += 1) process.kill(pid, signal);
    expect(await terminal.code()).toBe(code);
    await terminal.closed;
    expect(terminal.screen()).toContain(HIDE);
    expect(terminal.screen().lastIndexOf(SHOW)).toBeGreaterThan(terminal.screen().lastIndexOf(HIDE));
    await expectResumed();
  });

  it('that is closed cleans up and ends, and is resumed by the same command', async () => {
    const terminal = onTerminal([process.execPath, BIN, ...warm(), '--progress', 'tty'], WINDOW);
    const pid = await holderAtWork();
    terminal.close();
    await ended(pid);
    // It was told to stop, not killed: 129, which nobody is left to see.
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/locks'))).toEqual([]);
    expect(await readdir(join(home.cacheDir, '.clipctl/v1/leases'))).toEqual([]);
    await expectResumed();
  });
});
