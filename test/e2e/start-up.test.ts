import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { createSandbox } from './run-cli.ts';

const sandbox = createSandbox();
afterAll(() => sandbox.remove());

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string };

describe('start-up', () => {
  it('--version prints the version of package.json and nothing on stderr', async () => {
    const { code, stdout, stderr } = await sandbox.runCli(['--version']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(version);
  });

  it('--help lists the commands and ends with 0', async () => {
    const { code, stdout } = await sandbox.runCli(['--help']);
    expect(code).toBe(0);
    for (const command of ['index', 'warm', 'push-cache', 'inspect']) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'));
  });

  it('every command has help of its own, within 80 columns', async () => {
    for (const command of ['index', 'warm', 'push-cache', 'inspect']) {
      const { code, stdout } = await sandbox.runCli([command, '--help'], { env: { COLUMNS: '80' } });
      expect(code).toBe(0);
      expect(stdout).toContain(`clipctl ${command}`);
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    }
  });

  it('an unknown command is a usage error and says so', async () => {
    const { code, stdout, stderr } = await sandbox.runCli(['wram', 'x']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('wram');
  });

  it('writes nothing into the home of the user', async () => {
    const { readdir } = await import('node:fs/promises');
    await sandbox.runCli(['--help']);
    const files = (await readdir(sandbox.folder, { recursive: true })).filter((name) => name.includes('/'));
    expect(files).toEqual([]);
  });
});
