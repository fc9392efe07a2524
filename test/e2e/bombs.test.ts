/** RELIABILITY §1.3 rows 7 and 8 through the command: exit 9, one error, the space free again, little memory and time. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { buildFrame, buildFrameHeader, buildSkippable } from '../compression/zstd/build-frame.ts';
import { blobPath, createLayout, writeImage } from '../servers/layout-writer.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1024 * 1024;
/** One second is asked for, with what a busy machine may take. */
const HANG_MS = 3000;
const RSS_BYTES = 160 * MIB;

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** An image of one layer, which claims to be `tar` decompressed. */
async function imageOf(layer: Buffer, kind: 'gzip' | 'zstd', tar: Uint8Array = Buffer.alloc(0)): Promise<string> {
  const directory = home.path('bomb');
  await createLayout(directory);
  await writeFile(blobPath(directory, sha256(layer)), layer);
  const written = {
    mediaType: `application/vnd.oci.image.layer.v1.tar+${kind}`,
    digest: sha256(layer),
    diffId: sha256(tar),
    compressedBytes: layer.length,
    uncompressedBytes: tar.length,
  };
  await writeImage(directory, { layers: [written], tag: 'v1', created: '2024-01-02T03:04:05Z' });
  return `oci:${directory}:v1`;
}

/** Of the process that has it as a `--require`: its most resident memory, when it ends. */
const HOOK = `process.on('exit', () => {
  const { readFileSync, writeFileSync } = require('node:fs');
  if (require('node:worker_threads').isMainThread)
    writeFileSync(process.env.RSS_FILE, /^VmHWM:\\s+(\\d+) kB$/m.exec(readFileSync('/proc/self/status', 'latin1'))[1]);
});`;

interface Ended {
  readonly result: CliResult;
  readonly durationMs: number;
  readonly rssBytes: number;
}

async function run(args: readonly string[]): Promise<Ended> {
  const env = { NODE_OPTIONS: `--require=${home.path('hook.cjs')}`, RSS_FILE: home.path('rss') };
  await writeFile(home.path('hook.cjs'), HOOK);
  const startedMs = performance.now();
  const result = await home.run(args, { env });
  const durationMs = performance.now() - startedMs;
  return { result, durationMs, rssBytes: Number(await readFile(home.path('rss'), 'utf8')) * 1024 };
}

const COMMANDS = {
  warm: (reference: string) => ['warm', reference],
  'index --warm': (reference: string) => ['index', reference, '-o', home.path('bomb.clip'), '--warm'],
};

async function expectRefused(reference: string, code: string, flags: readonly string[] = []): Promise<void> {
  const idle = await run(['inspect', reference, '--json']);
  expect(idle.result.code, idle.result.stderr).toBe(0);
  for (const command of Object.values(COMMANDS)) {
    const { result, durationMs, rssBytes } = await run([...command(reference), ...flags, '--json', '--progress', 'none']);
    expect([result.code, result.json().error?.code], result.stderr).toEqual([9, code]);
    expect(result.json().error?.hint).toBeDefined();
    expect(rssBytes - idle.rssBytes).toBeLessThan(RSS_BYTES);
    expect(durationMs).toBeLessThan(HANG_MS);
    expect([await cachedLayers(home), await leftovers(home)]).toEqual([[], []]);
    const takenBytes = execFileSync('du', ['-s', '--block-size=1', home.cacheDir], { encoding: 'utf8' });
    expect(Number.parseInt(takenBytes, 10)).toBeLessThan(MIB);
  }
}

describe.skipIf(process.platform !== 'linux')('row 7: a gzip layer', () => {
  it('of 1 GiB of zeros in 1 MiB stops at --max-layer-size', async () => {
    const member = gzipSync(Buffer.alloc(32 * MIB), { level: 9 });
    const bomb = Buffer.concat(new Array<Buffer>(32).fill(member));
    expect(bomb.length).toBeLessThan(MIB);
    await expectRefused(await imageOf(bomb, 'gzip'), 'LIMIT_LAYER_SIZE', ['--max-layer-size', '128MiB']);
  });

  it('of 100,000 empty members is an empty layer', async () => {
    const reference = await imageOf(Buffer.concat(new Array<Buffer>(100_000).fill(gzipSync(''))), 'gzip');
    const { result, durationMs } = await run(['warm', reference]);
    expect(result.code, result.stderr).toBe(0);
    expect(durationMs).toBeLessThan(HANG_MS);
  });
});

describe.skipIf(process.platform !== 'linux')('rows 7 and 8: a zstd layer', () => {
  it.each([
    [
      'that grows 30,000-fold stops at the ratio limit',
      'LIMIT_RATIO',
      buildFrame({ zeroBlocks: 20_000, windowDescriptor: 0x58 }),
    ],
    [
      'with a window of 2 GiB in 10 bytes',
      'LIMIT_WINDOW',
      Buffer.concat([buildFrameHeader({ windowDescriptor: 0xa8 }), Buffer.alloc(4)]),
    ],
    ['with the largest window there is', 'LIMIT_WINDOW', buildFrameHeader({ windowDescriptor: 0xff })],
    ['of a million skippable frames', 'LIMIT_FRAMES', Buffer.alloc(8_000_000, buildSkippable(Buffer.alloc(0)))],
  ])('%s: %s', async (_name, code, bomb) => {
    await expectRefused(await imageOf(bomb, 'zstd'), code);
  });
});
