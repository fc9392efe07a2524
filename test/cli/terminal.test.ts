import { describe, expect, it } from 'vitest';
import { createProgress } from '../../src/cli/progress/create-progress.ts';
import { createStyle } from '../../src/cli/style.ts';
import { describeTerminal, isCi } from '../../src/cli/terminal.ts';

const write = (): boolean => true;
const tty = { write, isTTY: true, columns: 80, rows: 24 };
const pipe = { write };

describe('colours', () => {
  it.each([
    { about: 'a terminal', stream: tty, env: {}, color: true },
    { about: 'a pipe', stream: pipe, env: {}, color: false },
    { about: 'NO_COLOR', stream: tty, env: { NO_COLOR: '1' }, color: false },
    { about: 'an empty NO_COLOR', stream: tty, env: { NO_COLOR: '' }, color: true },
    { about: 'TERM=dumb', stream: tty, env: { TERM: 'dumb' }, color: false },
    { about: 'FORCE_COLOR on a pipe', stream: pipe, env: { FORCE_COLOR: '1' }, color: true },
    { about: 'FORCE_COLOR=0', stream: tty, env: { FORCE_COLOR: '0' }, color: false },
    { about: 'FORCE_COLOR against NO_COLOR', stream: pipe, env: { FORCE_COLOR: '1', NO_COLOR: '1' }, color: true },
  ])('with $about: $color', ({ stream, env, color }) => {
    expect(describeTerminal(stream, env).color).toBe(color);
  });

  it('are escape sequences only where they are wanted', async () => {
    expect((await createStyle(false)).red('x')).toBe('x');
    expect((await createStyle(true)).red('x')).toBe('\u001b[31mx\u001b[39m');
  });
});

describe('a terminal', () => {
  it.each([
    [{ LANG: 'C' }, false],
    [{}, false],
    [{ LANG: 'en_US.UTF-8' }, true],
    [{ LANG: 'en_US.UTF-8', LC_ALL: 'C' }, false],
    [{ LANG: 'C', LC_CTYPE: 'C.utf8' }, true],
  ])('of %j speaks UTF-8: %s', (env, unicode) => {
    expect(describeTerminal(pipe, env).unicode).toBe(unicode);
  });

  it('is between 40 and 200 columns wide, 80 when nobody knows', () => {
    expect(describeTerminal(pipe, {}).columns).toBe(80);
    expect(describeTerminal({ ...tty, columns: 3 }, {}).columns).toBe(40);
    expect(describeTerminal({ ...tty, columns: 9999 }, {}).columns).toBe(200);
  });

  it('of a CI job is one when CI says so', () => {
    expect([isCi({}), isCi({ CI: '' }), isCi({ CI: 'false' }), isCi({ CI: 'true' }), isCi({ CI: '1' })]).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });
});

describe('progress', () => {
  interface Case {
    readonly stream: typeof pipe;
    readonly env?: Record<string, string>;
    readonly progress?: 'auto' | 'tty' | 'json' | 'none';
    readonly quiet?: boolean;
  }

  async function nameOf({ stream, env = {}, progress = 'auto', quiet = false }: Case): Promise<string> {
    const renderer = await createProgress({ stream, env, settings: { progress, quiet, verbosity: 0 } });
    renderer.stop();
    return renderer.constructor.name;
  }

  it('auto moves on a terminal and is plain on a pipe, in CI and on a dumb terminal', async () => {
    expect(await nameOf({ stream: tty })).toBe('TtyProgress');
    expect(await nameOf({ stream: pipe })).toBe('PlainProgress');
    expect(await nameOf({ stream: tty, env: { CI: 'true' } })).toBe('PlainProgress');
    expect(await nameOf({ stream: tty, env: { TERM: 'dumb' } })).toBe('PlainProgress');
  });

  it('is silent with --quiet', async () => {
    expect(await nameOf({ stream: tty, progress: 'json', quiet: true })).toBe('SilentProgress');
  });

  it('tty is refused where there is no terminal', async () => {
    await expect(nameOf({ stream: pipe, progress: 'tty' })).rejects.toMatchObject({ code: 'USAGE' });
  });
});
