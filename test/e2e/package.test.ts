/** The package as npm would publish it: unpacked somewhere, without node_modules. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publint } from 'publint';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome, type Home } from './run-cli.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the package', () => {
  let home: Home;
  let unpacked: string;

  beforeAll(async () => {
    home = await makeHome();
    // The build is there already (vitest's global set-up); building again would pull files from under other tests.
    const pack = spawnSync('npm', ['pack', '--ignore-scripts', '--pack-destination', home.dir], { cwd: ROOT, encoding: 'utf8' });
    expect(pack.status, pack.stderr).toBe(0);
    const tarball = readdirSync(home.dir).find((name) => name.endsWith('.tgz')) ?? '';
    expect(spawnSync('tar', ['-xzf', tarball], { cwd: home.dir }).status).toBe(0);
    unpacked = home.path('package');
  });
  afterAll(() => home.remove());

  it('holds what a user needs and no source, test or fixture', () => {
    const names = readdirSync(unpacked);
    expect(names).toEqual(
      expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'bin', 'dist', 'docs', 'schemas', 'package.json']),
    );
    expect(names).not.toEqual(expect.arrayContaining(['src']));
    expect(names).not.toEqual(expect.arrayContaining(['test']));
    expect(readdirSync(join(unpacked, 'dist'))).toContain('THIRD-PARTY-LICENSES.txt');
  });

  it.each([
    ['odd-gzip', 'kernel'],
    ['odd-zstd', 'wasm-zstd'],
  ])('indexes %s without node_modules, by its own %s', (name, decoder) => {
    cpSync(join(ROOT, 'test/fixtures', name, 'oci'), home.path(name), { recursive: true });
    const args = ['index', `oci:${name}`, '-o', `${name}.clip`, '--json'];
    const run = spawnSync(process.execPath, [join(unpacked, 'bin/run.js'), ...args], {
      cwd: home.dir,
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], HOME: home.path('home') },
    });
    expect(run.status, run.stderr).toBe(0);
    expect(readdirSync(home.dir)).toContain(`${name}.clip`);
    const { platforms } = JSON.parse(run.stdout) as { platforms: { layers: { decoder: string }[] }[] };
    expect(new Set(platforms.flatMap(({ layers }) => layers.map((layer) => layer.decoder)))).toEqual(new Set([decoder]));
  });

  it('is well-formed for publint', async () => {
    const { messages } = await publint({ pkgDir: unpacked, strict: true });
    expect(messages).toEqual([]);
  });
});
