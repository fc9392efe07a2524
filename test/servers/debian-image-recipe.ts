/** What the Debian image is made of. Layers are real changes of a real root file system, told as a tar with whiteouts. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { createReadStream } from 'node:fs';
import { readTruth } from './debian-image-truth.ts';
import { createLayout, writeImage, writeLayer } from './layout-writer.ts';
import type { LayerCompression, WrittenLayer } from './layout-writer.ts';

interface UpperLayer {
  /** Shell commands, run in the root file system of the layers below. */
  readonly change: readonly string[];
  /** Paths the change deleted. */
  readonly deleted: readonly string[];
  /** Directories the change made anew: nothing of lower layers is seen in them. */
  readonly opaque: readonly string[];
  /** Paths the change made or touched. */
  readonly written: readonly string[];
  readonly compression: LayerCompression;
}

/** Any change of it makes a new image. */
export const RECIPE = {
  version: 1,
  bootstrap: ['--mode=root', '--variant=minbase', '--quiet', 'bookworm'],
  base: 'gzip',
  upper: [
    {
      change: [
        'rm -rf usr/share/doc usr/share/man usr/bin/tac',
        'mkdir -p opt/app && cp usr/bin/perl opt/app/runtime && chmod 4755 opt/app/runtime',
        'echo upper > etc/clipctl && ln etc/clipctl etc/clipctl-link && ln -s ../etc/clipctl usr/clipctl',
        'rm -rf var/lib/dpkg/info && mkdir var/lib/dpkg/info && echo 1 > var/lib/dpkg/info/format',
        'rm -rf usr/share/locale && echo none > usr/share/locale',
      ],
      deleted: ['usr/share/doc', 'usr/share/man', 'usr/bin/tac'],
      opaque: ['var/lib/dpkg/info'],
      written: ['opt/app', 'etc/clipctl', 'etc/clipctl-link', 'usr/clipctl', 'var/lib/dpkg/info', 'usr/share/locale'],
      compression: 'zstd',
    },
    {
      change: [
        'rm usr/share/locale && mkdir usr/share/locale && echo again > usr/share/locale/again',
        'rm opt/app/runtime && echo later > opt/app/later',
        'rm usr/bin/yes && mkdir usr/share/doc && echo back > usr/share/doc/back',
        // bin is a symlink to usr/bin: the entry has to land behind it.
        'echo tool > bin/clipctl-tool',
      ],
      deleted: ['opt/app/runtime', 'usr/bin/yes'],
      opaque: [],
      written: ['usr/share/locale', 'opt/app/later', 'usr/share/doc', 'bin/clipctl-tool'],
      compression: 'none',
    },
  ],
} as const satisfies { upper: readonly UpperLayer[]; base: LayerCompression; [other: string]: unknown };

/** Fills `folder` with `layout/` and `files.json`. */
export async function makeDebianImage(folder: string): Promise<void> {
  const layout = join(folder, 'layout');
  const root = join(folder, 'root');
  const base = join(folder, 'base.tar');
  await createLayout(layout);
  await mkdir(root);
  await runProgram('mmdebstrap', [...RECIPE.bootstrap, base]);
  await runProgram('tar', ['--numeric-owner', '-xpf', base, '-C', root]);
  const layers = [await writeLayer(layout, createReadStream(base), RECIPE.base)];
  for (const upper of RECIPE.upper) layers.push(await makeUpperLayer(folder, upper));
  await writeImage(layout, { layers, tag: 'bookworm', created: '2026-01-01T00:00:00Z', config: { Cmd: ['/bin/bash'] } });
  await writeFile(join(folder, 'files.json'), JSON.stringify(await readTruth(root)));
  await Promise.all([root, base].map((path) => rm(path, { recursive: true })));
}

async function makeUpperLayer(folder: string, upper: UpperLayer): Promise<WrittenLayer> {
  const root = join(folder, 'root');
  const marks = join(folder, 'marks');
  await runProgram('sh', ['-ec', upper.change.join('\n')], root);
  const whiteouts = [...upper.deleted.map(whiteoutOf), ...upper.opaque.map((path) => `${path}/.wh..wh..opq`)];
  for (const path of whiteouts) {
    await mkdir(dirname(join(marks, path)), { recursive: true });
    await writeFile(join(marks, path), '');
  }
  const tar = start('tar', [
    '--numeric-owner',
    '--sort=name',
    '-cf',
    '-',
    '-C',
    marks,
    ...whiteouts,
    '-C',
    root,
    ...upper.written,
  ]);
  const ended = untilDone(tar, 'tar');
  const layer = await writeLayer(join(folder, 'layout'), tar.stdout, upper.compression);
  await ended;
  await rm(marks, { recursive: true });
  return layer;
}

function whiteoutOf(path: string): string {
  const at = path.lastIndexOf('/') + 1;
  return `${path.slice(0, at)}.wh.${path.slice(at)}`;
}

type Program = ChildProcessByStdio<null, Readable, null>;

function start(command: string, args: readonly string[], cwd?: string): Program {
  return spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
}

async function runProgram(command: string, args: readonly string[], cwd?: string): Promise<void> {
  const program = start(command, args, cwd);
  program.stdout.resume();
  await untilDone(program, command);
}

function untilDone(program: Program, command: string): Promise<void> {
  return new Promise((resolve, reject) => {
    program.once('error', reject);
    program.once('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command} ended with exit code ${code}`))));
  });
}
