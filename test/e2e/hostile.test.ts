/** Attacks from RELIABILITY §1.3 through the whole command: exit code, one line, nothing of this machine touched. */
import { gzipSync } from 'node:zlib';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixtureLayout } from '../pipeline/fixture-layers.ts';
import { blobPath, createLayout, writeImage } from '../servers/layout-writer.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { base256, headerBlock, MAGIC } from '../tar/tar-bytes.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

describe('rows 1 and 3: names and links that lead out', () => {
  const EVIL = [
    { name: '../../escape', type: 'file' },
    { name: '/absolute', type: 'file' },
    { name: 'a/../../b', type: 'file' },
    { name: 'out', type: 'symlink', linkname: '../../..' },
    { name: 'missing', type: 'link', linkname: 'no/such/file' },
    { name: 'self', type: 'link', linkname: 'self' },
    { name: 'one', type: 'link', linkname: 'two' },
    { name: 'two', type: 'link', linkname: 'three' },
    { name: 'three', type: 'link', linkname: 'one' },
  ] as const;

  it('are clamped to the root with a warning each, and refused by --strict', async () => {
    const image = await makeLayout(join(home.dir, 'image'), [{ files: { ok: 'ok' }, entries: EVIL }]);
    const lenient = await home.run(['index', image.reference, '-o', 'x.clip', '--json']);
    expect(lenient.code, lenient.stderr).toBe(0);
    expect(lenient.json<{ warnings: string[] }>().warnings.length).toBeGreaterThanOrEqual(4);
    const strict = await home.run(['index', image.reference, '-o', 'strict.clip', '--strict', '--json']);
    expect(strict.code).toBe(9);
    expect(strict.json()).toMatchObject({ error: { code: 'STRICT_REFUSED' } });
    expect((await readdir(home.dir)).includes('strict.clip')).toBe(false);
    expect((await readdir(join(home.dir, '..'))).includes('escape')).toBe(false);
  });

  it('a fixture full of odd entries is indexed, and refused by --strict', async () => {
    const reference = `oci:${fixtureLayout('odd-gzip')}`;
    expect((await home.run(['index', reference, '-o', 'x.clip'])).code).toBe(0);
    expect((await home.run(['index', reference, '-o', 'x.clip', '--strict'])).code).toBe(9);
  });
});

describe('row 5: a header that claims gigabytes', () => {
  it.each([
    ['x', 1024 ** 3],
    ['L', 8 * 1024 ** 3 - 1],
  ])('of type %s exits 9', async (typeFlag, claimedBytes) => {
    const header = tarHeader(typeFlag, claimedBytes);
    const reference = await imageOfTar(Buffer.concat([header, Buffer.alloc(4096)]));
    const result = await home.run(['index', reference, '-o', 'x.clip', '--json']);
    expect(result.code, result.stderr).toBe(9);
    expect(result.json()).toMatchObject({ error: { code: 'LIMIT_HEADER' } });
  });
});

describe('row 6: more entries than allowed', () => {
  it('exit 9, and 100,000 times one path are one entry', { timeout: 60_000 }, async () => {
    const one = tarHeader('0', 0);
    const tar = Buffer.concat([...Array.from({ length: 100_000 }, () => one), Buffer.alloc(1024)]);
    const reference = await imageOfTar(tar);
    const refused = await home.run(['index', reference, '-o', 'x.clip', '--max-entries', '50000', '--json']);
    expect(refused.code).toBe(9);
    expect(refused.json()).toMatchObject({ error: { code: 'LIMIT_ENTRIES' } });
    const indexed = await home.run(['index', reference, '-o', 'x.clip', '--json']);
    expect(indexed.code, indexed.stderr).toBe(0);
    expect(indexed.json()).toMatchObject({ platforms: [{ entries: 2, layers: [{ entries: 100_000 }] }] });
  });
});

describe('row 26: an entry', () => {
  it.each([2n ** 63n - 1n, 2n ** 53n + 1n, -1n])('whose size is %s is exit 7, and no layer is kept', async (size) => {
    const header = headerBlock({ name: 'n', size: base256(size, 12), magic: MAGIC.gnu });
    const reference = await imageOfTar(Buffer.concat([header, Buffer.alloc(4096)]));
    const result = await home.run(['index', reference, '-o', 'x.clip', '--json']);
    expect([result.code, result.json().error?.code]).toEqual([7, 'TAR_INVALID']);
    expect(await readdir(home.dir)).not.toContain('x.clip');
  });
});

describe('rows 27 to 29: an index that lies', () => {
  async function inspectBytes(name: string, bytes: Buffer): Promise<void> {
    const path = join(home.dir, `${name}.clip`);
    await writeFile(path, bytes);
    const result = await home.run(['inspect', path, '--json']);
    expect(result.code, `${name}: ${result.stdout}${result.stderr}`).toBe(7);
    expect(result.json()).toMatchObject({ error: { code: 'CLIP_INVALID' } });
  }

  it('about lengths and positions, or is cut, exits 7', async () => {
    await home.run(['index', `oci:${fixtureLayout('duplayer')}`, '-o', 'good.clip']);
    const good = await readFile(join(home.dir, 'good.clip'));
    const withField = (offset: number, value: bigint): Buffer => {
      const bytes = Buffer.from(good);
      bytes.writeBigInt64LE(value, offset);
      return bytes;
    };
    await inspectBytes('length-2-40', withField(10, 1n << 40n));
    await inspectBytes('length-negative', withField(10, -1n));
    await inspectBytes('position-in-header', withField(18, 3n));
    await inspectBytes('position-beyond', withField(18, 1n << 50n));
    await inspectBytes('cut-53', good.subarray(0, 53));
    await inspectBytes('cut-half', good.subarray(0, good.length >> 1));
    await inspectBytes('empty', Buffer.alloc(0));
    await inspectBytes('junk', Buffer.alloc(4096, 'junk'));
  });
});

describe('row 33: configuration of an untrusted working directory', () => {
  it('is never read', async () => {
    const image = await makeLayout(join(home.dir, 'image'), [{ files: { a: 'a' } }]);
    const cwd = join(home.dir, 'checkout');
    await mkdir(join(cwd, '.clipctl'), { recursive: true });
    const evil = JSON.stringify({ cacheDir: join(home.dir, 'evil'), jobs: 'not a number' });
    for (const name of [
      '.clipctl.json',
      'clipctl.json',
      'config.json',
      'clipctl.config.json',
      '.clipctlrc',
      '.clipctl/config.json',
    ]) {
      await writeFile(join(cwd, name), evil);
    }
    await writeFile(
      join(cwd, 'package.json'),
      JSON.stringify({ clipctl: JSON.parse(evil) as unknown, oclif: { plugins: ['./evil'] } }),
    );
    await writeFile(join(cwd, '.env'), `CLIPCTL_CACHE_DIR=${join(home.dir, 'evil')}\n`);
    const result = await home.run(['warm', image.reference], { cwd });
    expect(result.code, result.stderr).toBe(0);
    expect(await readdir(home.dir)).not.toContain('evil');
  });
});

describe('row 22: names that speak to the terminal', () => {
  it('are printed escaped', async () => {
    const image = await makeLayout(join(home.dir, 'image'), [
      { files: {}, entries: [{ name: '../\u001b]0;owned\u0007\r\n::error::x', type: 'file' }] },
    ]);
    const result = await home.run(['index', image.reference, '-o', 'x.clip']);
    expect(result.code, result.stderr).toBe(0);
    const printed = result.stdout + result.stderr;
    expect(printed).toContain('PATH_ESCAPES');

    expect(printed).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
    expect(printed).not.toMatch(/^::error::/m);
  });
});

/** A ustar header with a right checksum (POSIX.1-1988). */
function tarHeader(typeFlag: string, sizeBytes: number): Buffer {
  const header = Buffer.alloc(512);
  header.write('file', 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(typeFlag, 156);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return header;
}

async function imageOfTar(tar: Buffer): Promise<string> {
  const directory = join(home.dir, 'tar-image');
  await createLayout(directory);
  const bytes = gzipSync(tar);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`;
  await writeFile(blobPath(directory, digest), bytes);
  const layer = {
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest,
    diffId,
    compressedBytes: bytes.length,
    uncompressedBytes: tar.length,
  };
  await writeImage(directory, { layers: [layer], tag: 'v1', created: '2024-01-02T03:04:05Z' });
  return `oci:${directory}:v1`;
}
