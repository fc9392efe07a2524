/** `push-cache --compress` from outside: what stands in the remote, and that every reader gets the plain layer back. */
import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { PushResult, WarmResult } from '../../src/lib/operations/results.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let home: Home;
let app: MadeLayout;
const remote = (): string => `file://${home.path('remote')}`;
const push = (...args: string[]) => home.run(['push-cache', app.reference, '--to', remote(), ...args, '--json']);

beforeEach(async () => {
  home = await makeHome();
  app = await makeLayout(home.path('app'), [
    { files: { 'etc/base': Buffer.alloc(5_000_000, 'base') } },
    { files: { 'opt/app': 'app' }, compression: 'zstd' },
  ]);
});
afterEach(() => home.remove());

describe('push-cache --compress zstd', () => {
  it('stores frames that warm --from gives back as the plain layers', async () => {
    const pushed = await push('--compress', 'zstd:5', '--verify', 'full');
    expect(pushed.code, pushed.stderr).toBe(0);
    const [there] = pushed.json<PushResult>().remotes;
    expect(there?.creates).toBe('head-then-put');
    const names = (await readdir(home.path('remote'))).sort();
    expect(names).toEqual(app.layers.map(({ diffId }) => `${diffId.slice('sha256:'.length)}.zst`).sort());
    for (const layer of there?.layers ?? []) {
      const stored = await readFile(home.path(`remote/${layer.diffId.slice('sha256:'.length)}.zst`));
      expect(layer.sentBytes).toBe(stored.length);
    }
    await rm(home.cacheDir, { recursive: true, force: true });
    const warmed = await home.run(['warm', app.reference, '--from', remote(), '--verify', 'full', '--json']);
    expect(warmed.code, warmed.stderr).toBe(0);
    const servedBy = warmed.json<WarmResult>().images.flatMap(({ layers }) => layers.map((layer) => layer.servedBy));
    expect(servedBy).toEqual(['remote', 'remote']);
  });

  it('works from dist alone, and stores plain layers with a warning when the encoder is missing', async () => {
    const copy = home.path('package');
    await mkdir(copy);
    for (const name of ['bin', 'dist', 'package.json']) await cp(`${ROOT}/${name}`, `${copy}/${name}`, { recursive: true });
    const run = (to: string) => {
      const args = [`${copy}/bin/run.js`, 'push-cache', app.reference, '--to', `file://${home.path(to)}`, '--compress', 'zstd'];
      const env = { ...process.env, CLIPCTL_CACHE_DIR: home.cacheDir };
      return spawnSync(process.execPath, args, { env, encoding: 'utf8', timeout: 60_000 });
    };
    expect(run('alone').status).toBe(0);
    expect((await readdir(home.path('alone'))).every((name) => name.endsWith('.zst'))).toBe(true);
    await rm(`${copy}/dist/zstd.wasm`);
    const plain = run('plain');
    expect(plain.status).toBe(0);
    const hasZstd = 'zstd' in process.versions;
    expect(plain.stderr.includes('layers are stored plain')).toBe(!hasZstd);
    const [hex = ''] = app.layers.map(({ diffId }) => diffId.slice('sha256:'.length));
    if (hasZstd) return;
    const sha = createHash('sha256').update(await readFile(home.path(`plain/${hex}`)));
    expect(sha.digest('hex')).toBe(hex);
  });

  describe('what is wrong in the remote', () => {
    const flip = (stored: Buffer): Buffer => (stored.writeUInt8(stored.readUInt8(100) ^ 1, 100), stored);
    const cut = (stored: Buffer): Buffer => stored.subarray(0, stored.length - 20);

    // What has lost its table is not there: the push stores it again. What only its bytes betray is found by reading.
    it.each([
      ['poisoned', flip, 7],
      ['cut', cut, 0],
    ])(
      'row 18: a %s .zst is a miss with a warning and a counter, and --repair-remote rewrites it',
      async (_, spoil, verified) => {
        expect((await push('--compress', 'zstd')).code).toBe(0);
        const [hex = ''] = app.layers.map(({ diffId }) => diffId.slice('sha256:'.length));
        const path = home.path(`remote/${hex}.zst`);
        const stored = await readFile(path);
        const spoilIt = async (): Promise<void> => {
          await rm(path);
          await writeFile(path, spoil(Buffer.from(stored)));
        };
        await spoilIt();
        expect((await push('--compress', 'zstd', '--verify', 'full')).code).toBe(verified);
        await spoilIt();
        const warm = async (...args: string[]): Promise<WarmResult> => {
          await rm(home.cacheDir, { recursive: true, force: true });
          const result = await home.run(['warm', app.reference, '--from', remote(), ...args, '--json']);
          expect(result.code, result.stderr).toBe(0);
          return result.json<WarmResult>();
        };
        const servedBy = ({ images }: WarmResult) => images.flatMap(({ layers }) => layers.map((layer) => layer.servedBy));
        const first = await warm();
        expect(servedBy(first)).toEqual(['layout', 'remote']);
        expect(first.remotes).toMatchObject([{ hits: 1, corrupt: 1 }]);
        expect(first.warnings.join()).toContain('holds wrong bytes');
        expect((await warm('--repair-remote')).remotes).toMatchObject([{ corrupt: 1, repaired: 1 }]);
        expect(servedBy(await warm('--verify', 'full'))).toEqual(['remote', 'remote']);
      },
    );
  });

  it.each(['quick', 'full'])('--verify %s reads packed layers, and reports them by their plain bytes', async (mode) => {
    const result = await push('--compress', 'zstd', '--verify', mode);
    expect(result.code, result.stderr).toBe(0);
    const bytes = app.layers.reduce((sum, layer) => sum + layer.uncompressedBytes, 0);
    const { verification } = result.json<PushResult>();
    expect(verification?.tiers).toMatchObject([{ layers: 2, hits: 2, bytes, hitBytes: bytes, hitRatio: 1, wrong: [] }]);
  });

  it.each([
    [['--compress', 'zstd:0'], /1 to 19/],
    [['--compress', 'zstd:20'], /1 to 19/],
    [['--compress', 'zstd:'], /1 to 19/],
    [['--compress', 'gzip'], /1 to 19/],
    [['--compress', 'zstd', '--no-disk'], /--no-disk/],
    [['--compress', 'zstd', '--to', 'http://127.0.0.1:1/cas'], /can stand in file, s3, redis and oci remotes/],
  ])('exits 2 for %j and says what to do', async (args, hint) => {
    const result = await push(...args);
    expect(result.code).toBe(2);
    expect(result.stderr + result.stdout).toMatch(hint);
    expect(await readdir(home.path('remote')).catch(() => [])).toEqual([]);
  });
});
