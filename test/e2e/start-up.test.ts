import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { afterAll, describe, expect, it } from 'vitest';
import { makeHome } from './run-cli.ts';

const home = await makeHome();
afterAll(() => home.remove());

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

/** Files of dist/ that are loaded when these are, without those that a command asks for later. */
function filesLoadedBy(...names: readonly string[]): number {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(new URL(`../../dist/${name}`, import.meta.url), 'utf8');
    for (const [, other = ''] of text.matchAll(/^(?:import|export)[^"]*"\.\/([^"]+\.js)";$/gm)) visit(other);
  };
  names.forEach(visit);
  return found.size;
}

describe('start-up', () => {
  it('--version prints the version of package.json and nothing on stderr', async () => {
    const { code, stdout, stderr } = await home.run(['--version']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(version);
  });

  it('--help lists the commands and ends with 0', async () => {
    const { code, stdout } = await home.run(['--help']);
    expect(code).toBe(0);
    for (const command of ['index', 'warm', 'push-cache', 'inspect']) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('every command has help of its own, within 80 columns', async () => {
    for (const command of ['index', 'warm', 'push-cache', 'inspect']) {
      const { code, stdout } = await home.run([command, '--help'], { env: { COLUMNS: '80' } });
      expect(code).toBe(0);
      expect(stdout).toContain(`clipctl ${command}`);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('an unknown command is a usage error and says so', async () => {
    const { code, stdout, stderr } = await home.run(['wram', 'x']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('wram');
  });

  it('loads few files: of the command line, and of the library', () => {
    expect(filesLoadedBy('cli.js', 'commands.js')).toBeLessThanOrEqual(12);
    expect(filesLoadedBy('index.js')).toBeLessThanOrEqual(8);
  });

  it('writes nothing into the home of the user', async () => {
    await home.run(['--help']);
    const files = (await readdir(home.dir, { recursive: true })).filter((name) => name.includes('/'));
    expect(files).toEqual([]);
  });
});
