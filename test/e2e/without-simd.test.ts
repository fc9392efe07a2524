/** A Node without WebAssembly SIMD: V8 has none where the processor lacks SSSE3, which a flag pretends. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers } from './cache-state.ts';
import { halfNoise } from './mixed-image.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));

let home: Home;
let image: MadeLayout;
let registry: LoopbackRegistry;
beforeEach(async () => {
  home = await makeHome();
  image = await makeLayout(home.path('image'), [{ files: { 'a.bin': halfNoise(24 * MIB, 1) } }]);
  registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
});
afterEach(async () => {
  await registry.close();
  await home.remove();
});

interface Layered {
  readonly layers: readonly { readonly decoder?: string; readonly checkpoints?: number }[];
}

interface Document {
  readonly platforms?: readonly Layered[];
}

function runWithoutSimd(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const flags = ['--cache-dir', home.cacheDir, '--json', '--progress', 'none'];
    const env = { PATH: process.env['PATH'], HOME: home.path('home') };
    const child = spawn(process.execPath, ['--no-enable-ssse3', BIN, ...args, ...flags], { cwd: home.dir, env, timeout: 60_000 });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (piece: Buffer) => (said.stdout += piece.toString()));
    child.stderr.on('data', (piece: Buffer) => (said.stderr += piece.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
}

async function expectRight(): Promise<void> {
  const hash = image.layers[0]?.diffId.slice('sha256:'.length) ?? '';
  expect(await cachedLayers(home)).toEqual([hash]);
  const content = await readFile(`${home.cacheDir}/${hash}`);
  expect(createHash('sha256').update(content).digest('hex')).toBe(hash);
}

describe.skipIf(process.arch !== 'x64')('without WebAssembly SIMD', () => {
  it('node:zlib decodes a gzip layer, and its start is its only checkpoint', async () => {
    const { code, stdout, stderr } = await runWithoutSimd('index', `${registry.host}/app:v1`, '-o', 'app.clip', '--warm');
    expect(code, stderr).toBe(0);
    const { platforms } = JSON.parse(stdout) as Document;
    expect(platforms?.[0]?.layers[0]).toMatchObject({ decoder: 'node-zlib', checkpoints: 1 });
    await expectRight();
  });

  it('an index with checkpoints is good for one stream', async () => {
    expect((await home.run(['index', `${registry.host}/app:v1`, '-o', 'app.clip'])).code).toBe(0);
    const { code, stderr } = await runWithoutSimd('warm', 'app.clip', '--jobs', '2');
    expect(code, stderr).toBe(0);
    await expectRight();
  });

  it('a layer that the kernel was stopped in is right in the end', async () => {
    const { digest = '' } = image.layers[0] ?? {};
    registry.script = ({ path }) => (path.endsWith(digest) ? { stallAt: 8 * MIB } : undefined);
    const stop = new AbortController();
    const stopped = home.run(['warm', `${registry.host}/app:v1`], { signal: stop.signal, killSignal: 'SIGKILL' });
    for (let last = -1; registry.bytesServed < 8 * MIB || registry.bytesServed !== last;) {
      last = registry.bytesServed;
      await new Promise((resolve) => setTimeout(resolve, 1500));
    }
    stop.abort();
    expect((await stopped).code).toBe(137);
    registry.script = undefined;
    const { code, stderr } = await runWithoutSimd('warm', `${registry.host}/app:v1`);
    expect(code, stderr).toBe(0);
    await expectRight();
  });
});
