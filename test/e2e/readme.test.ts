/** What the pages for users promise: transcripts, examples, flags and links, held against the built command. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/commands/commands.ts';
import { readSources } from '../architecture/source-files.ts';
import {
  anchorsOf,
  codeBlocks,
  commandLines,
  flagsNamed,
  localLinks,
  renderTranscripts,
  splitWords,
  transcriptsOf,
} from './readme-markdown.ts';
import { jq, maskFigures, openReadmeSession, type ReadmeSession } from './readme-session.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = join(ROOT, 'README.md');
/** Pages with examples of the command line. */
const GUIDES = ['README.md', 'docs/scripting.md', 'docs/exit-codes.md', 'docs/CACHING.md', 'docs/remotes.md'];
const FIXTURE = `oci:${join(ROOT, 'test/fixtures/odd-zstd/oci')}`;

const read = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

let session: ReadmeSession;
beforeAll(async () => {
  session = await openReadmeSession();
});
afterAll(() => session.close());

describe('the transcripts of README.md', () => {
  const blocks = codeBlocks(read('README.md')).filter(({ language }) => language === 'console');

  it('show index, warm --to and inspect --from in 80 columns', () => {
    const commands = blocks.flatMap(({ text }) => transcriptsOf(text)).map(({ command }) => command);
    for (const shown of [/^clipctl index /, /^clipctl warm .*--to /, /^clipctl inspect .*--from /])
      expect(commands.filter((command) => shown.test(command))).not.toEqual([]);
    expect(blocks.flatMap(({ text }) => text.split('\n')).filter((line) => line.length > 80)).toEqual([]);
  });

  it('are what the commands print; UPDATE_README=1 writes them anew', async () => {
    let page = read('README.md');
    const differing: string[] = [];
    for (const { text } of blocks) {
      const shown = transcriptsOf(text);
      const fresh = [];
      for (const { command } of shown) fresh.push(await session.run(command));
      const rendered = renderTranscripts(fresh);
      if (maskFigures(rendered) === maskFigures(text)) continue;
      differing.push(rendered);
      page = page.replace(text, () => rendered);
    }
    if (process.env['UPDATE_README'] === '1') writeFileSync(README, page);
    else expect(differing.join('\n'), `README.md is out of date; it should say\n\n${differing.join('\n')}`).toBe('');
  });
});

describe('examples', () => {
  const variables = {
    IMAGE: 'registry.example/team/app:v1',
    REMOTE: 'file:///mnt/cache',
    CI_REGISTRY_USER: 'ci',
  };
  const lines = GUIDES.flatMap((page) => commandLines(read(page), variables).map((words) => ({ page, words })));
  /** What a wrong example ends with; one that only lacks its image or its file ends with something else. */
  const WRONG = ['USAGE', 'CONFIG_INVALID', 'REFERENCE_INVALID', 'PLATFORM_INVALID', 'DIGEST_INVALID', 'INTERNAL'];

  it.each(lines)('in $page: clipctl $words is understood', async ({ words }) => {
    const offline = words.includes('--help') ? [] : ['--offline', '--json'];
    const { code, stdout, stderr } = await session.home.run([...words, ...offline], { input: 'password\n' });
    if (offline.length === 0 || code === 0) return expect(code, stderr).toBe(0);
    const { error } = JSON.parse(stdout) as { error?: { code: string; message: string } };
    expect(WRONG, error?.message).not.toContain(error?.code);
  });

  it('of the library is the one that the type checker sees, and runs', async () => {
    const shown = codeBlocks(read('README.md')).find(({ language }) => language === 'ts')?.text ?? '';
    const checked = read('test/e2e/readme-library.ts').replace(/^\/\*\*.*\*\/\n/, '');
    expect(shown).toBe(checked.replace('../../src/index.ts', 'clipctl'));
    await mkdir(session.home.path('library/node_modules'), { recursive: true });
    await symlink(ROOT, session.home.path('library/node_modules/clipctl'));
    await writeFile(session.home.path('library/example.mjs'), session.localize(shown));
    const env = { PATH: process.env['PATH'], HOME: session.home.path('home'), XDG_RUNTIME_DIR: session.home.path('run') };
    const run = await runProgram(process.execPath, [session.home.path('library/example.mjs')], env);
    expect(run.stderr).toBe('');
    expect(run.stdout).toMatch(/^3 layers are warm, \d+ bytes were downloaded\n$/);
  });

  it('of a gate in CI warms what is cold, passes what is warm and fails for the rest', async () => {
    const gate = codeBlocks(read('README.md')).find(({ text }) => text.includes('--check-warm') && text.includes('case'));
    await installShim();
    expect(await runGate(gate?.text ?? '', 'localhost:5000/team/app:v1')).toBe(0);
    const warm = await session.run('clipctl inspect localhost:5000/team/app:v1 --check-warm --cache-dir /var/gate');
    expect(warm.output).toContain('warm: every layer is on disk');
    expect(await runGate(gate?.text ?? '', 'localhost:5000/team/app:v1')).toBe(0);
    expect(await runGate(gate?.text ?? '', 'localhost:5000/team/missing:v1')).toBe(4);
  });

  it('of fields in docs/scripting.md are in the documents', async () => {
    const image = 'localhost:5000/team/app:v1';
    const calls: Readonly<Record<string, string>> = {
      '`index`': `index ${image}`,
      '`warm`': `warm ${image}`,
      '`push-cache`': `push-cache ${image} --to file:///mnt/fields`,
      '`inspect`': `inspect ${image}`,
      '`doctor`': 'doctor',
      'any, with `--dry-run`': `warm ${image} --to file:///mnt/fields --dry-run`,
      'any that failed': 'inspect oci:nowhere',
    };
    const rows = [...read('docs/scripting.md').matchAll(/^\| (\S.*?) +\| (.*`\.[a-z].*) \|$/gm)];
    expect(rows.map((row) => row[1])).toEqual(Object.keys(calls));
    for (const [, title = '', fields = ''] of rows) {
      const words = splitWords(session.localize(calls[title] ?? ''), {});
      const env = { CLIPCTL_PLATFORM: 'linux/amd64' };
      const document = (await session.home.run([...words, '--json'], { cwd: session.home.path('work'), env })).json();
      for (const [, path = ''] of fields.matchAll(/`(\.[^`]+)`/g)) expect(jq(document, path), `${title} ${path}`).not.toBe('');
    }
  });

  it('of a config file have no key that clipctl does not know', async () => {
    const blocks = GUIDES.flatMap((page) => codeBlocks(read(page))).filter(({ text }) => text.includes('"cacheDir"'));
    expect(blocks).not.toEqual([]);
    for (const { text } of blocks) {
      await writeFile(session.home.path('config.json'), session.localize(text));
      const { code, stderr } = await session.home.run([
        'inspect',
        FIXTURE,
        '--progress',
        'none',
        '--config',
        session.home.path('config.json'),
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    }
  });

  /** `clipctl` on the PATH, as `npm link` puts it there. */
  async function installShim(): Promise<void> {
    const bin = session.home.path('bin');
    await mkdir(bin);
    await writeFile(join(bin, 'clipctl'), `#!/bin/sh\nexec '${process.execPath}' '${join(ROOT, 'bin/run.js')}' "$@"\n`);
    await chmod(join(bin, 'clipctl'), 0o755);
  }

  /** `sh -e`, as CI systems run a step; gives its exit code. */
  async function runGate(script: string, image: string): Promise<number> {
    const env = {
      PATH: `${session.home.path('bin')}:${process.env['PATH'] ?? ''}`,
      HOME: session.home.path('home'),
      CLIPCTL_CACHE_DIR: session.localize(' /var/gate').trim(),
      CLIPCTL_PLATFORM: 'linux/amd64',
      IMAGE: session.localize(image),
    };
    return (await runProgram('sh', ['-ec', session.localize(script)], env)).code;
  }
});

/** The registry answers from this process: it must not stand still meanwhile. */
async function runProgram(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code: code ?? -1, ...output };
}

describe('the pages', () => {
  it('name no flag that --help does not list, and no variable that nothing reads', async () => {
    const texts = await Promise.all(
      Object.keys(COMMANDS)
        .filter((id) => id !== 'help')
        .map((id) => session.home.run([...id.split(':'), '--help'], { env: { OCLIF_COLUMNS: '200' } })),
    );
    const help = texts.map(({ stdout }) => stdout).join('\n');
    const known = new Set(['--help', ...flagsNamed(help)]);
    // Some variables have no flag: secrets and what only tests and support need.
    const code = readSources('src')
      .map(({ text }) => text)
      .join('\n');
    const readByCode = new Set(code.match(/CLIPCTL_[A-Z_]*[A-Z]/g) ?? []);
    for (const page of GUIDES) {
      expect(
        flagsNamed(read(page)).filter((flag) => !known.has(flag)),
        page,
      ).toEqual([]);
      const variables = read(page).match(/CLIPCTL_[A-Z_]*[A-Z]/g) ?? [];
      expect(
        variables.filter((name) => !help.includes(`env: ${name}]`) && !readByCode.has(name)),
        page,
      ).toEqual([]);
    }
  });

  it('link to files and headings that are there', () => {
    const folders = ['.', 'docs', 'docs/adr'];
    const pages = folders.flatMap((folder) => readdirSync(join(ROOT, folder)).map((name) => join(folder, name)));
    for (const page of pages.filter((name) => name.endsWith('.md'))) {
      for (const link of localLinks(read(page))) {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        expect(existsSync(join(ROOT, target)), `${page}: ${link}`).toBe(true);
        if (anchor !== undefined) expect(anchorsOf(read(target)), `${page}: ${link}`).toContain(anchor);
      }
    }
  });

  it('list in README.md the exit codes that docs/exit-codes.md explains', () => {
    const codesIn = (text: string, form: RegExp): string[] =>
      [...text.matchAll(form)].flatMap((match) => (match[1] ?? '').split(', '));
    const [, section = ''] = read('README.md').split('## Exit codes');
    const listed = codesIn(section.split('## ')[0] ?? '', /(?:^|· )(\d+(?:, \d+)*) /gm);
    expect(listed).toEqual(codesIn(read('docs/exit-codes.md'), /^\| +(\d+(?:, \d+)*) +\|/gm));
  });

  it('begin with a README of at most 250 lines', () => {
    expect(read('README.md').trimEnd().split('\n').length).toBeLessThanOrEqual(250);
  });
});
