/** What goes wrong, and how: the right exit code, one clear message, nothing under a final name, nothing left behind. */
import { chmod, copyFile, mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { blobPath } from '../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer, type MadeLayout } from '../servers/make-layout.ts';
import { cachedLayers, leftovers } from './cache-state.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

let home: Home;
let registry: LoopbackRegistry | undefined;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await registry?.close();
  registry = undefined;
  await home.remove();
});

const LAYER: MadeLayer = { files: { 'etc/motd': 'hello\n', 'bin/tool': Buffer.alloc(300_000, 'tool') } };

async function layout(layers: readonly MadeLayer[] = [LAYER]): Promise<MadeLayout> {
  return makeLayout(join(home.dir, 'image'), layers);
}

interface Expected {
  readonly exit: number;
  readonly code: string;
  /** Final names that may stand: layers that were right. */
  readonly kept?: number;
}

async function expectFailure(result: CliResult, { exit, code, kept = 0 }: Expected): Promise<void> {
  expect(result.code, result.stderr).toBe(exit);
  expect(result.stderr).toContain(`[${code}]`);
  const errors = result.stderr.split('\n').filter((line) => line.startsWith('error:'));
  expect(errors, result.stderr).toHaveLength(1);
  expect(result.stderr).not.toMatch(/\n\s+at /);
  expect(await cachedLayers(home)).toHaveLength(kept);
  expect(await leftovers(home)).toEqual([]);
}

async function warmAndIndex(reference: string, expected: Expected): Promise<void> {
  await expectFailure(await home.run(['warm', reference]), expected);
  await expectFailure(await home.run(['index', reference, '--warm', '-o', join(home.dir, 'x.clip')]), expected);
  await expect(readFile(join(home.dir, 'x.clip'))).rejects.toThrow('ENOENT');
}

describe('wrong bytes', () => {
  it('a flipped bit in a layer exits 7 with both digests', async () => {
    const image = await layout();
    const path = blobPath(image.directory, image.layers[0]?.digest ?? '');
    const bytes = await readFile(path);
    bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
    await writeFile(path, bytes);
    await warmAndIndex(image.reference, { exit: 7, code: 'DIGEST_MISMATCH' });
    const { stderr } = await home.run(['warm', image.reference]);
    expect(stderr.match(/sha256:[0-9a-f]{64}/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it('a layer that is cut by one byte exits 7', async () => {
    const image = await layout();
    const path = blobPath(image.directory, image.layers[0]?.digest ?? '');
    await truncate(path, (await readFile(path)).length - 1);
    await warmAndIndex(image.reference, { exit: 7, code: 'SIZE_MISMATCH' });
  });

  it('a layer that has one byte more exits 7', async () => {
    const image = await layout();
    const path = blobPath(image.directory, image.layers[0]?.digest ?? '');
    await writeFile(path, Buffer.concat([await readFile(path), Buffer.from('x')]));
    await warmAndIndex(image.reference, { exit: 7, code: 'SIZE_MISMATCH' });
  });

  it('a config that lies about a diffID exits 7, and the layers that are right are kept', async () => {
    const diffId = `sha256:${'0'.repeat(64)}`;
    const image = await layout([LAYER, { files: { b: 'b' }, claims: { diffId } }]);
    const result = await home.run(['warm', image.reference]);
    await expectFailure(result, { exit: 7, code: 'DIFF_ID_MISMATCH', kept: 1 });
    expect(await cachedLayers(home)).toEqual([image.layers[0]?.diffId.slice('sha256:'.length)]);
  });

  it('a layer that a registry serves wrong is fetched once more, and only once', async () => {
    const image = await layout();
    registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    registry.script = ({ path }) =>
      path.includes('/blobs/') && path.includes(image.layers[0]?.digest ?? '-') ? { flipAt: 50 } : undefined;
    await expectFailure(await home.run(['warm', `${registry.host}/app:v1`]), { exit: 7, code: 'DIGEST_MISMATCH' });
    expect(registry.countOf(`/v2/app/blobs/${image.layers[0]?.digest ?? ''}`)).toBe(2);
  });

  it('a layer that a registry serves wrong once is healed', async () => {
    const image = await layout();
    registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    registry.script = ({ path, count }) =>
      path.includes(image.layers[0]?.digest ?? '-') && count === 1 ? { flipAt: 50 } : undefined;
    const result = await home.run(['warm', `${registry.host}/app:v1`]);
    expect(result.code, result.stderr).toBe(0);
    expect(await cachedLayers(home)).toHaveLength(1);
  });

  it('no tar at all exits 7 for index', async () => {
    const image = await layout();
    const [layer] = image.layers;
    const { createHash } = await import('node:crypto');
    const junk = Buffer.alloc(2000, 'no tar ');
    const digest = `sha256:${createHash('sha256').update(junk).digest('hex')}`;
    await writeFile(blobPath(image.directory, digest), junk);
    const bad = {
      ...layer,
      digest,
      diffId: digest,
      compressedBytes: junk.length,
      mediaType: 'application/vnd.oci.image.layer.v1.tar',
    };
    const lied = await makeLayout(join(home.dir, 'junk'), [{ ...LAYER, claims: bad }]);
    await copyFile(blobPath(image.directory, digest), blobPath(lied.directory, digest));
    await expectFailure(await home.run(['index', lied.reference]), { exit: 7, code: 'TAR_INVALID' });
  });
});

describe('refused', () => {
  it('an unknown layer media type exits 9', async () => {
    const image = await layout([{ ...LAYER, claims: { mediaType: 'application/vnd.oci.image.layer.v1.tar+brotli' } }]);
    await warmAndIndex(image.reference, { exit: 9, code: 'UNSUPPORTED_MEDIA_TYPE' });
  });

  it('a layer larger than --max-layer-size exits 9', async () => {
    const image = await layout();
    await expectFailure(await home.run(['warm', image.reference, '--max-layer-size', '100KiB']), {
      exit: 9,
      code: 'LIMIT_LAYER_SIZE',
    });
  });

  it('more entries than --max-entries exit 9', async () => {
    const image = await layout();
    const result = await home.run(['index', image.reference, '--max-entries', '1', '-o', join(home.dir, 'x.clip')]);
    await expectFailure(result, { exit: 9, code: 'LIMIT_ENTRIES' });
  });
});

describe('not found and not allowed', () => {
  it('an image that the registry does not have exits 4', async () => {
    registry = await startLoopbackRegistry({ repositories: { app: (await layout()).directory } });
    await warmAndIndex(`${registry.host}/app:none`, { exit: 4, code: 'IMAGE_NOT_FOUND' });
    await warmAndIndex(`${registry.host}/other`, { exit: 4, code: 'IMAGE_NOT_FOUND' });
  });

  it('a layer that is missing in the layout exits 4', async () => {
    const image = await layout();
    const { rm } = await import('node:fs/promises');
    await rm(blobPath(image.directory, image.layers[0]?.digest ?? ''));
    await warmAndIndex(image.reference, { exit: 4, code: 'BLOB_NOT_FOUND' });
  });

  it('a registry that wants a login exits 5, and the right password lets in', async () => {
    const auth = { kind: 'basic', username: 'user', password: 's3cret-canary' } as const;
    registry = await startLoopbackRegistry({ repositories: { app: (await layout()).directory }, auth });
    const reference = `${registry.host}/app:v1`;
    await warmAndIndex(reference, { exit: 5, code: 'UNAUTHORIZED' });
    const login = ['--username', 'user', '--password-stdin'];
    const wrong = await home.run(['warm', reference, '-v', ...login], { input: 'wrong-canary\n' });
    await expectFailure(wrong, { exit: 5, code: 'UNAUTHORIZED' });
    expect(wrong.stderr).not.toContain('wrong-canary');
    const right = await home.run(['warm', reference, ...login], { input: 's3cret-canary\n' });
    expect(right.code, right.stderr).toBe(0);
  });

  it('a registry that forbids exits 5', async () => {
    registry = await startLoopbackRegistry({
      repositories: { app: (await layout()).directory },
      script: () => ({ status: 403 }),
    });
    await warmAndIndex(`${registry.host}/app:v1`, { exit: 5, code: 'FORBIDDEN' });
  });
});

describe('network', () => {
  it('nobody listening exits 6', async () => {
    const result = await home.run(['warm', '127.0.0.1:1/app:v1', '--retries', '0']);
    await expectFailure(result, { exit: 6, code: 'NETWORK' });
  });

  it('a connection that is cut every time exits 6, and nothing half is kept', async () => {
    const image = await layout();
    registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    registry.script = ({ path }) => (path.includes(image.layers[0]?.digest ?? '-') ? { cutAt: 0 } : undefined);
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--retries', '1']);
    await expectFailure(result, { exit: 6, code: 'NETWORK' });
  });

  it('a connection that is cut in the middle goes on where it stopped', async () => {
    const image = await layout([{ files: { big: Buffer.alloc(3_000_000, 'x') }, compression: 'none' }]);
    const blob = `/v2/app/blobs/${image.layers[0]?.digest ?? ''}`;
    registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
    registry.script = ({ path, count }) => (path === blob && count === 1 ? { cutAt: 1_000_000 } : undefined);
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--json']);
    expect(result.code, result.stderr).toBe(0);
    const second = registry.requests.filter((request) => request.path === blob)[1];
    expect(second?.headers['range']).toMatch(/^bytes=\d+-/);
    expect(await cachedLayers(home)).toHaveLength(1);
  });
});

describe('local storage', () => {
  it('a cache directory below a file exits 8', async () => {
    const image = await layout();
    const file = join(home.dir, 'a-file');
    await writeFile(file, '');
    const result = await home.run(['warm', image.reference, '--cache-dir', join(file, 'cache')]);
    await expectFailure(result, { exit: 8, code: 'STORAGE_ERROR' });
  });

  it('a cache directory that may not be written exits 8 and names it', async () => {
    const image = await layout();
    // Root may write anywhere but there: the kernel makes no directories in /proc.
    const denied = process.getuid?.() === 0 ? '/proc/clipctl' : join(home.dir, 'denied');
    if (!denied.startsWith('/proc')) {
      await mkdir(denied);
      await chmod(denied, 0o500);
    }
    const result = await home.run(['warm', image.reference, '--cache-dir', denied]);
    expect(result.code, result.stderr).toBe(8);
    expect(result.stderr).toContain(denied);
    expect(result.stderr).toContain('--cache-dir');
  });

  it('an index that cannot be written exits 8', async () => {
    const image = await layout();
    const result = await home.run(['index', image.reference, '-o', join(home.dir, 'no', 'such', 'x.clip')]);
    await expectFailure(result, { exit: 8, code: 'STORAGE_ERROR' });
  });
});

it('every failure is one JSON document with --json', async () => {
  const image = await layout([{ ...LAYER, claims: { diffId: `sha256:${'1'.repeat(64)}` } }]);
  for (const [args, code] of [
    [['warm', image.reference, '--json'], 'DIFF_ID_MISMATCH'],
    [['index', 'oci:/none', '--json'], 'IMAGE_NOT_FOUND'],
    [['inspect', '--json'], 'USAGE'],
    [['push-cache', image.reference, '--json'], 'USAGE'],
    [['warm', image.reference, '--no-such-flag', '--json'], 'USAGE'],
  ] as const) {
    const result = await home.run(args);
    expect(result.json()).toMatchObject({ schemaVersion: 1, command: args[0], error: { code } });
  }
});
