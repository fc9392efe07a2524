import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  openSync,
  closeSync,
  rmSync,
  symlinkSync,
  linkSync,
  writeFileSync,
  writeSync,
  ftruncateSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import fc from 'fast-check';
import tarStream, { type Header } from 'tar-stream';
import { textOf } from '../../src/lib/byte-string.ts';
import type { TarEntry } from '../../src/lib/tar/tar-entry.ts';
import { fixtureLayers } from './cases.ts';
import { scan } from './scan.ts';

interface Listed {
  readonly name: string;
  readonly kind: string;
  readonly linkName: string;
  readonly size: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly seconds: number;
  readonly payloadOffset: number;
}

async function listWithTarStream(tar: Uint8Array): Promise<Listed[]> {
  // Its types don't know the option that lets V7 members in.
  const options: object = { allowUnknownFormat: true };
  const extract = tarStream.extract(options);
  extract.end(tar);
  const listed: Listed[] = [];
  for await (const entry of extract) {
    const { name, type, linkname, size, mode, uid, gid, mtime, byteOffset } = entry.header as Header & { byteOffset: number };
    const kind = type === 'link' ? 'hardlink' : type === 'contiguous-file' ? 'file' : type;
    const seconds = Math.floor(mtime.getTime() / 1000);
    const shared = { mode, uid, gid, seconds, payloadOffset: byteOffset };
    listed.push({
      name,
      kind,
      linkName: type === 'link' || type === 'symlink' ? linkname : '',
      size: kind === 'file' ? size : 0,
      ...shared,
    });
    entry.resume();
  }
  return listed;
}

function asListed(entry: TarEntry): Listed {
  const { kind, size, uid, gid, payloadOffset } = entry;
  const [name, linkName] = [textOf(entry.name), textOf(entry.linkName)];
  return { name, kind, linkName, size, mode: entry.mode & 0o7777, uid, gid, seconds: entry.mtime.seconds, payloadOffset };
}

/** tar-stream cuts trailing slashes of directories. */
function withoutSlash(listed: readonly Listed[]): Listed[] {
  return listed.map((entry) => ({ ...entry, name: entry.kind === 'directory' ? entry.name.replace(/\/+$/, '') : entry.name }));
}

/** tar-stream knows no sparse maps and takes V7 directories for files. */
function isKnownToTarStream(entry: TarEntry | undefined): boolean {
  return entry !== undefined && entry.sparse === undefined && entry.typeFlag !== 0;
}

/** What tar-stream reads right in odd members too: it ignores owners in PAX and is off by one in negative base-256 times. */
function asPlace({ name, kind, linkName, size, payloadOffset }: Listed): object {
  return { name, kind, linkName, size, payloadOffset };
}

const segment = fc.stringMatching(/^[a-zA-Z0-9ä日 _-]{1,40}$/);
const file = fc.record({
  name: fc.array(segment, { minLength: 1, maxLength: 8 }).map((segments) => segments.join('/')),
  content: fc.integer({ min: 0, max: 2000 }),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.integer({ min: 0, max: 3_000_000 }),
});

describe('ordinary tars', () => {
  it('of tar-stream are listed as tar-stream lists them', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(file, { maxLength: 20 }), async (files) => {
        const pack = tarStream.pack();
        for (const { name, content, mode, uid } of files)
          pack.entry({ name, mode, uid, mtime: new Date(1e12) }, Buffer.alloc(content, 1));
        pack.entry({ name: 'link', type: 'symlink', linkname: 'target/'.repeat(30), mtime: new Date(1e12) });
        pack.finalize();
        const tar = await buffer(pack);
        expect(scan(tar).entries.map(asListed)).toEqual(await listWithTarStream(tar));
      }),
      { numRuns: 40 },
    );
  });

  it('of the fixtures lie where tar-stream finds them, but for members it does not know', async () => {
    const layers = fixtureLayers();
    expect(layers.length).toBeGreaterThan(5);
    for (const { parts } of layers) {
      const tar = Buffer.concat([...parts]);
      const { entries } = scan(tar);
      const theirs = (await listWithTarStream(tar)).filter((_, index) => isKnownToTarStream(entries[index]));
      const ours = entries.filter(isKnownToTarStream).map(asListed);
      expect(withoutSlash(ours).map(asPlace)).toEqual(withoutSlash(theirs).map(asPlace));
    }
  });
});

describe('tars of the system tar', () => {
  const directory = mkdtempSync(join(tmpdir(), 'clipctl-tar-'));
  const long = 'n'.repeat(90);

  beforeAll(() => {
    mkdirSync(join(directory, 'in', long, long), { recursive: true });
    writeFileSync(join(directory, 'in', 'a'), 'content of a');
    writeFileSync(join(directory, 'in', 'b'), Buffer.alloc(5000, 0x62));
    linkSync(join(directory, 'in', 'a'), join(directory, 'in', 'hard'));
    symlinkSync('a', join(directory, 'in', 'soft'));
    writeHoles(join(directory, 'in', 'sparse'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  function pack(...flags: string[]): Buffer {
    const options = { cwd: directory, maxBuffer: 1 << 28, env: { ...process.env, LC_ALL: 'C' } };
    return execFileSync('tar', ['--sort=name', ...flags, '-cf', '-', 'in'], options);
  }

  it.each(['oldgnu', 'gnu', 'ustar', 'posix'])('in format %s are listed as tar-stream lists them', async (format) => {
    const tar = pack(`--format=${format}`);
    const entries = scan(tar).entries.map(asListed);
    expect(entries.length).toBe(8);
    expect(withoutSlash(entries)).toEqual(withoutSlash(await listWithTarStream(tar)));
  });

  it('in format v7 are listed, with the payloads where they say', () => {
    const tar = pack('--format=v7', `--exclude=${long}`);
    const file = scan(tar).entries.find(({ name }) => name === 'in/a');
    expect(file).toMatchObject({ kind: 'file', size: 12 });
    expect(tar.toString('latin1', file?.payloadOffset, (file?.payloadOffset ?? 0) + 12)).toBe('content of a');
  });

  it.each([['gnu'], ['posix', '--sparse-version=0.0'], ['posix', '--sparse-version=0.1'], ['posix', '--sparse-version=1.0']])(
    'give back a sparse file (%s %s)',
    (format, ...flags) => {
      const tar = pack('--sparse', `--format=${format}`, ...flags);
      const entry = scan(tar, [1000]).entries.find(({ name }) => name === 'in/sparse');
      expect(expand(tar, entry).equals(sparseContent())).toBe(true);
      expect(entry?.storedBytes).toBeLessThan(300_000);
    },
  );
});

const SPARSE_BYTES = 4_000_000;
const SPARSE_RUNS = [0, 500_000, 1_000_000, 1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_900_000];

/** Eight runs of data: more than the four regions that fit in an old GNU header. */
function writeHoles(path: string): void {
  const handle = openSync(path, 'w');
  ftruncateSync(handle, SPARSE_BYTES);
  for (const offset of SPARSE_RUNS) writeSync(handle, `data at ${offset}`, offset);
  closeSync(handle);
}

function sparseContent(): Buffer {
  const content = Buffer.alloc(SPARSE_BYTES);
  for (const offset of SPARSE_RUNS) content.write(`data at ${offset}`, offset);
  return content;
}

function expand(tar: Buffer, entry: TarEntry | undefined): Buffer {
  const content = Buffer.alloc(entry?.size ?? 0);
  let at = entry?.payloadOffset ?? 0;
  for (const { offset, length } of entry?.sparse ?? []) {
    tar.copy(content, offset, at, at + length);
    at += length;
  }
  return content;
}
