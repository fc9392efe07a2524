/** `clipctl verify` beside `crane validate`: what crane refuses, we refuse too; what it can't read is named. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeHome, type Home } from '../../e2e/run-cli.ts';
import { blobPath } from '../../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../../servers/make-layout.ts';

const CRANE = 'github.com/google/go-containerregistry/cmd/crane@v0.20.6';
const tools = mkdtempSync(join(tmpdir(), 'clipctl-crane-'));
let home: Home;

beforeAll(async () => {
  execFileSync('go', ['install', CRANE], { env: { ...process.env, GOBIN: tools } });
  home = await makeHome();
});
afterAll(async () => {
  rmSync(tools, { recursive: true });
  await home.remove();
});

type Json = Record<string, unknown> & {
  config: { digest: string; size: number };
  layers: { digest: string; size: number; mediaType: string }[];
  rootfs: { type: string; diff_ids: string[] };
  os: string;
  architecture: string;
  manifests: { digest: string; size: number; mediaType: string; platform: { os: string; architecture: string } }[];
};

/** A layout that is right, to be broken. */
class Breakable {
  readonly directory: string;
  constructor(directory: string) {
    this.directory = directory;
  }
  async read(digest: string): Promise<Json> {
    return JSON.parse(await readFile(blobPath(this.directory, digest), 'utf8')) as Json;
  }
  async write(value: unknown): Promise<{ digest: string; size: number }> {
    const bytes = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    await writeFile(blobPath(this.directory, digest), bytes);
    return { digest, size: bytes.length };
  }
  async index(): Promise<Json> {
    return JSON.parse(await readFile(join(this.directory, 'index.json'), 'utf8')) as Json;
  }
  /** Changes the manifest and, when told, the config; everything above follows. */
  async change(manifest: (document: Json) => void, config?: (document: Json) => void): Promise<void> {
    const root = await this.index();
    const [entry] = root.manifests;
    if (entry === undefined) throw new Error('no manifest');
    const document = await this.read(entry.digest);
    if (config !== undefined) {
      const inner = await this.read(document.config.digest);
      config(inner);
      Object.assign(document.config, await this.write(inner));
    }
    manifest(document);
    Object.assign(entry, await this.write(document));
    await writeFile(join(this.directory, 'index.json'), JSON.stringify(root));
  }
  /** Replaces the bytes of the first layer and leaves its digest. */
  async damage(how: (bytes: Buffer) => Buffer): Promise<void> {
    const path = blobPath(this.directory, await this.firstLayer());
    await writeFile(path, how(await readFile(path)));
  }
  /** Replaces the first layer by other bytes under their own digest. */
  async replaceLayer(how: (bytes: Buffer) => Buffer): Promise<void> {
    const fresh = await this.write(how(await readFile(blobPath(this.directory, await this.firstLayer()))));
    await this.change(({ layers }) => void Object.assign(layers[0] ?? {}, fresh));
  }
  async firstLayer(): Promise<string> {
    const { manifests } = await this.index();
    return (await this.read(manifests[0]?.digest ?? '')).layers[0]?.digest ?? '';
  }
  /** Puts the image below an image index. */
  async wrap(listed: (entry: Json['manifests'][number]) => void): Promise<void> {
    const root = await this.index();
    const [entry] = root.manifests;
    if (entry === undefined) throw new Error('no manifest');
    const inner = { ...entry, annotations: undefined };
    listed(inner);
    const mediaType = 'application/vnd.oci.image.index.v1+json';
    const wrapped = await this.write({ schemaVersion: 2, mediaType, manifests: [inner] });
    const outer = { mediaType, ...wrapped, annotations: { 'org.opencontainers.image.ref.name': 'v1' } };
    await writeFile(join(this.directory, 'index.json'), JSON.stringify({ schemaVersion: 2, mediaType, manifests: [outer] }));
  }
}

const GOOD: readonly MadeLayer[] = [{ files: { 'a/': '', 'a/file': 'content' } }, { files: { b: 'b' } }];
const ZERO = `sha256:${'0'.repeat(64)}`;
const nothing = async (): Promise<void> => undefined;

interface Case {
  readonly name: string;
  readonly layers?: readonly MadeLayer[];
  readonly breakIt?: (image: Breakable) => Promise<void>;
  /** What ours must say. */
  readonly ours: 'ok' | 'refused';
  /** crane refuses what it has no decoder for; ours reads it (CLI.md: zstd and plain layers). */
  readonly craneCannotRead?: true;
}

const CASES: readonly Case[] = [
  { name: 'good', ours: 'ok' },
  { name: 'good, in an image index', breakIt: (image) => image.wrap(() => undefined), ours: 'ok' },
  { name: 'no layers', layers: [], ours: 'ok' },
  { name: 'zstd', layers: [{ files: { a: 'a' }, compression: 'zstd' }], ours: 'ok', craneCannotRead: true },
  { name: 'plain', layers: [{ files: { a: 'a' }, compression: 'none' }], ours: 'ok', craneCannotRead: true },
  { name: 'one path twice', layers: [{ files: { a: 'a' }, entries: [{ name: 'a' }] }], ours: 'refused' },
  { name: 'one path twice in two spellings', layers: [{ files: { a: 'a', './a': 'b' } }], ours: 'refused' },
  { name: 'another diffID', layers: [{ files: { a: 'a' }, claims: { diffId: ZERO } }], ours: 'refused' },
  { name: 'a size too large', layers: [{ files: { a: 'a' }, claims: { compressedBytes: 9999 } }], ours: 'refused' },
  { name: 'a size too small', layers: [{ files: { a: 'a' }, claims: { compressedBytes: 20 } }], ours: 'refused' },
  { name: 'a flipped bit', breakIt: (image) => image.damage((bytes) => flipped(bytes, 30)), ours: 'refused' },
  {
    name: 'a flipped checksum',
    breakIt: (image) => image.replaceLayer((bytes) => flipped(bytes, bytes.length - 6)),
    ours: 'refused',
  },
  { name: 'a cut layer', breakIt: (image) => image.damage((bytes) => bytes.subarray(0, -3)), ours: 'refused' },
  {
    name: 'a layer cut before it was hashed',
    breakIt: (image) => image.replaceLayer((bytes) => bytes.subarray(0, -12)),
    ours: 'refused',
  },
  {
    name: 'bytes behind a layer',
    breakIt: (image) => image.damage((bytes) => Buffer.concat([bytes, Buffer.from('x')])),
    ours: 'refused',
  },
  {
    name: 'bytes behind a layer that was hashed with them',
    breakIt: (image) => image.replaceLayer((bytes) => Buffer.concat([bytes, Buffer.from('trailing')])),
    ours: 'refused',
  },
  { name: 'an empty layer blob', breakIt: (image) => image.replaceLayer(() => Buffer.alloc(0)), ours: 'refused' },
  { name: 'no gzip at all', breakIt: (image) => image.replaceLayer(() => Buffer.from('no gzip at all')), ours: 'refused' },
  { name: 'a missing layer', breakIt: async (image) => rm(blobPath(image.directory, await image.firstLayer())), ours: 'refused' },
  {
    name: 'a missing config',
    breakIt: (image) => image.change((document) => void Object.assign(document.config, { digest: ZERO })),
    ours: 'refused',
  },
  {
    name: 'a config of another size',
    breakIt: (image) => image.change((document) => void (document.config.size += 1)),
    ours: 'refused',
  },
  {
    name: 'a config that is no JSON',
    breakIt: async (image) => {
      const fresh = await image.write(Buffer.from('{"rootfs":'));
      await image.change((document) => void Object.assign(document.config, fresh));
    },
    ours: 'refused',
  },
  {
    name: 'another kind of rootfs',
    breakIt: (image) =>
      image.change(
        () => undefined,
        ({ rootfs }) => void (rootfs.type = 'squashfs'),
      ),
    ours: 'refused',
  },
  {
    name: 'too few diffIDs',
    breakIt: (image) =>
      image.change(
        () => undefined,
        ({ rootfs }) => void rootfs.diff_ids.pop(),
      ),
    ours: 'refused',
  },
  {
    name: 'diffIDs in another order',
    breakIt: (image) =>
      image.change(
        () => undefined,
        ({ rootfs }) => void rootfs.diff_ids.reverse(),
      ),
    ours: 'refused',
  },
  {
    name: 'another architecture in the image index',
    breakIt: (image) => image.wrap(({ platform }) => void (platform.architecture = 's390x')),
    ours: 'refused',
  },
  {
    name: 'another system in the image index',
    breakIt: (image) => image.wrap(({ platform }) => void (platform.os = 'windows')),
    ours: 'refused',
  },
  {
    name: 'a manifest of another size in the image index',
    breakIt: (image) => image.wrap((entry) => void (entry.size += 1)),
    ours: 'refused',
  },
  {
    name: 'a manifest that is missing in the image index',
    breakIt: (image) => image.wrap((entry) => void (entry.digest = ZERO)),
    ours: 'refused',
  },
  {
    name: 'a manifest announced as of another type',
    breakIt: (image) => image.wrap((entry) => void (entry.mediaType = 'application/vnd.docker.distribution.manifest.v2+json')),
    ours: 'refused',
  },
];

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

/** True when it exits 0. */
function craneAccepts(reference: string): Promise<boolean> {
  return new Promise((resolve) => {
    execFile(join(tools, 'crane'), ['validate', '--remote', reference], { timeout: 60_000 }, (error) => resolve(error === null));
  });
}

async function serve({ name, layers = GOOD, breakIt = nothing }: Case): Promise<LoopbackRegistry> {
  const made = await makeLayout(home.path(name.replaceAll(/[^a-z]/gi, '-')), layers);
  await breakIt(new Breakable(made.directory));
  return startLoopbackRegistry({ repositories: { app: made.directory } });
}

it('refuses at least what crane validate refuses', async () => {
  const refused = { crane: 0, ours: 0 };
  for (const each of CASES) {
    const registry = await serve(each);
    try {
      const reference = `${registry.host}/app:v1`;
      const [crane, ours] = await Promise.all([craneAccepts(reference), home.run(['verify', reference, '--retries', '0'])]);
      expect.soft(ours.code === 0 ? 'ok' : 'refused', `${each.name}: ${ours.stdout} ${ours.stderr}`).toBe(each.ours);
      if (each.craneCannotRead === true) expect.soft(crane, `crane reads ${each.name} by now`).toBe(false);
      else if (!crane) expect.soft(ours.code, `crane refuses: ${each.name}`).not.toBe(0);
      refused.crane += crane ? 0 : 1;
      refused.ours += ours.code === 0 ? 0 : 1;
    } finally {
      await registry.close();
    }
  }
  process.stdout.write(`of ${CASES.length} images crane refuses ${refused.crane}, clipctl ${refused.ours}\n`);
  expect(refused.crane).toBeGreaterThan(15);
});
