/** `clipctl verify` beside `crane validate`: what crane refuses, we refuse too; what it can't read is named. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeHome, type Home } from '../../e2e/run-cli.ts';
import { blobPath } from '../../servers/layout-writer.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../../servers/loopback-registry.ts';
import { makeLayout, type MadeLayer } from '../../servers/make-layout.ts';
import { Breakable, flipped } from '../../servers/breakable.ts';

const CRANE = 'github.com/google/go-containerregistry/cmd/crane@v0.22.1';
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
    breakIt: (image) => image.wrap(({ platform }) => void (platform['architecture'] = 's390x')),
    ours: 'refused',
  },
  {
    name: 'another system in the image index',
    breakIt: (image) => image.wrap(({ platform }) => void (platform['os'] = 'windows')),
    ours: 'refused',
  },
  {
    name: 'another variant in the image index',
    breakIt: (image) => image.wrap(({ platform }) => void (platform['variant'] = 'v2')),
    ours: 'refused',
  },
  {
    name: 'a version of the system in the image index only',
    breakIt: (image) => image.wrap(({ platform }) => void (platform['os.version'] = '10.0.20348')),
    ours: 'refused',
  },
  {
    name: 'an attestation beside the image',
    breakIt: async (image) => image.wrap(() => undefined, [await image.attestation()]),
    ours: 'ok',
  },
  {
    name: 'an attestation that is missing',
    breakIt: async (image) => {
      const attestation = await image.attestation();
      await image.wrap(() => undefined, [attestation]);
      await rm(blobPath(image.directory, attestation.digest));
    },
    ours: 'refused',
  },
  {
    name: 'an attestation whose statement is other bytes',
    breakIt: async (image) => {
      const attestation = await image.attestation();
      await image.wrap(() => undefined, [attestation]);
      const { layers } = await image.read(attestation.digest);
      const path = blobPath(image.directory, layers[0]?.digest ?? '');
      await writeFile(path, flipped(await readFile(path), 5));
    },
    ours: 'refused',
  },
  {
    name: 'an attestation whose config is missing',
    breakIt: async (image) => {
      const attestation = await image.attestation();
      await image.wrap(() => undefined, [attestation]);
      await rm(blobPath(image.directory, (await image.read(attestation.digest)).config.digest));
    },
    ours: 'refused',
  },
  {
    name: 'a thing of an unknown type whose bytes are others',
    breakIt: async (image) => {
      const thing = await image.write({});
      await image.wrap(() => undefined, [{ mediaType: 'application/vnd.example.thing.v1+json', ...thing }]);
      await writeFile(blobPath(image.directory, thing.digest), '[]');
    },
    ours: 'refused',
  },
  {
    name: 'a thing of an unknown type that is missing',
    breakIt: async (image) => {
      const thing = await image.write({});
      await image.wrap(() => undefined, [{ mediaType: 'application/vnd.example.thing.v1+json', ...thing }]);
      await rm(blobPath(image.directory, thing.digest));
    },
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
