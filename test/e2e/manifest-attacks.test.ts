/** RELIABILITY §1.3 rows 2, 11, 12, 26 and 34 through the command: documents and layers that lie, and what they cost. */
import { lstat, readdir } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { changeManifest } from '../servers/change-manifest.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
const DOCKER = 'application/vnd.docker.distribution.manifest.v2+json';

let home: Home;
const closing: LoopbackRegistry[] = [];
beforeEach(async () => {
  home = await makeHome();
});
afterEach(async () => {
  await Promise.all(closing.splice(0).map((server) => server.close()));
  await home.remove();
});

const made = (name = 'app'): Promise<MadeLayout> => makeLayout(home.path(name), [{ files: { a: 'a' } }, { files: { b: 'b' } }]);

async function serve(...layouts: readonly MadeLayout[]): Promise<LoopbackRegistry> {
  const repositories = Object.fromEntries(layouts.map(({ directory }) => [directory.split('/').at(-1) ?? '', directory]));
  const registry = await startLoopbackRegistry({ repositories });
  closing.push(registry);
  return registry;
}

const filesIn = async (directory: string): Promise<readonly string[]> =>
  (await readdir(directory, { recursive: true }).catch(() => [])).filter((name) => /(?:^|\/)[0-9a-f]{64}$/.test(name));

describe('row 2: a hard link through a chain of symlinks that leads out (CVE-2026-26960)', () => {
  const CHAIN = [
    { name: 'a/b/c/', type: 'directory' },
    { name: 'a/b/c/up', type: 'symlink', linkname: '../..' },
    { name: 'a/b/escape', type: 'symlink', linkname: 'c/up/../..' },
    { name: 'stolen', type: 'link', linkname: 'a/b/escape/etc/passwd' },
    { name: 'far', type: 'link', linkname: 'a/b/escape/../../../../../../../../etc/passwd' },
    { name: 'a/b/escape/planted', type: 'file' },
  ] as const;

  it('is recorded inside the root, with the content of the image; nothing of this machine is touched', async () => {
    const before = await lstat('/etc/passwd');
    const image = await makeLayout(home.path('app'), [{ files: { 'etc/': '', 'etc/passwd': 'of the image' }, entries: CHAIN }]);
    const result = await home.run(['index', image.reference, '-o', home.path('x.clip'), '--json']);
    expect([result.code, result.json()['error']]).toEqual([0, undefined]);
    // Three files and links of /etc/passwd, three directories, two symlinks, the planted file, the root.
    const [platform] = result.json<{ platforms: { entries: number }[] }>().platforms;
    expect(platform?.entries).toBeLessThanOrEqual(11);
    expect((await home.run(['verify', home.path('x.clip')])).code).toBe(0);
    const after = await lstat('/etc/passwd');
    expect([after.nlink, after.ino, after.size, after.mtimeMs]).toEqual([before.nlink, before.ino, before.size, before.mtimeMs]);
    expect((await readdir(home.dir)).filter((name) => ['planted', 'stolen', 'far'].includes(name))).toEqual([]);
  });
});

describe('row 11: an ambiguous manifest (CVE-2021-41190) is exit 7', () => {
  it.each<[string, (text: string) => string, string | undefined]>([
    ['with manifests and layers', (text) => text.replace('"layers":[', '"manifests":[],"layers":['), undefined],
    ['whose Content-Type is another than its mediaType', (text) => text, DOCKER],
    ['whose Content-Type is that of an index', (text) => text, OCI_INDEX],
  ])('%s, and nothing but the manifest is asked for', async (_, change, contentType) => {
    const image = await made();
    await changeManifest(image, change);
    const registry = await serve(image);
    registry.script = () => (contentType === undefined ? undefined : { headers: { 'content-type': contentType } });
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--json']);
    const { error } = result.json();
    expect([result.code, error?.code]).toEqual([7, 'MANIFEST_AMBIGUOUS']);
    expect(error?.message).toContain('ambiguous');
    expect(registry.requests.map(({ path }) => path)).toEqual(['/v2/app/manifests/v1']);
    expect(await filesIn(home.cacheDir)).toEqual([]);
  });

  it('whose type is another at the second pull, though its bytes are those that were kept', async () => {
    const image = await made();
    await changeManifest(image, (text) => `${text} `);
    const registry = await serve(image);
    expect((await home.run(['warm', `${registry.host}/app:v1`])).code).toBe(0);
    registry.script = ({ path }) => (path.includes('/manifests/') ? { headers: { 'content-type': OCI_INDEX } } : undefined);
    const second = await home.run(['warm', `${registry.host}/app:v1`, '--json']);
    expect([second.code, second.json().error?.code]).toEqual([7, 'MANIFEST_AMBIGUOUS']);
  });
});

const HEX = 'a'.repeat(64);
const NO_DIGESTS: readonly [string, number][] = [
  ['sha256:../../x', 7],
  ['sha256:../../../../../../etc/passwd', 7],
  [`sha256:${HEX.toUpperCase()}`, 7],
  [`sha256:${HEX.slice(1)}`, 7],
  [`sha1:${HEX.slice(0, 40)}`, 7],
  [`sha256:${HEX.slice(2)}\\u0000a`, 7],
  ['sha256:', 7],
  [`sha512:${HEX}${HEX}`, 9],
];

describe('row 12: a digest that is none (CVE-2024-3727)', () => {
  it.each(NO_DIGESTS)(
    '%s of a layer or the config is exit %i before anything but the manifest is asked for',
    async (digest, exit) => {
      for (const part of ['config', 'layers'] as const) {
        const image = await made(part);
        const { digest: first = '' } = image.layers[0] ?? {};
        await changeManifest(image, (text) =>
          part === 'layers' ? text.replace(first, digest) : text.replace(/("config":\{[^}]*"digest":")[^"]*/, `$1${digest}`),
        );
        const registry = await serve(image);
        const result = await home.run(['warm', `${registry.host}/${part}:v1`, '--json']);
        expect([part, result.code, result.json().error?.code]).toEqual([
          part,
          exit,
          exit === 9 ? 'UNSUPPORTED_DIGEST' : 'DIGEST_INVALID',
        ]);
        expect(registry.requests.map(({ path }) => path)).toEqual([`/v2/${part}/manifests/v1`]);
        expect(await filesIn(home.cacheDir)).toEqual([]);
      }
    },
  );

  it.each(NO_DIGESTS.filter(([digest]) => !digest.includes('\\u0000')))(
    '%s in a reference is exit %i, and nothing is asked for',
    async (digest, exit) => {
      const registry = await serve(await made());
      const result = await home.run(['warm', `${registry.host}/app@${digest}`, '--json']);
      expect([result.code, registry.requests]).toEqual([exit, []]);
    },
  );

  it('in Docker-Content-Digest is exit 7', async () => {
    const registry = await serve(await made());
    registry.script = () => ({ headers: { 'docker-content-digest': 'sha256:../../x' } });
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--json']);
    expect([result.code, result.json().error?.code, registry.requests.length]).toEqual([7, 'DIGEST_INVALID', 1]);
  });
});

describe('row 26: sizes at the edge of numbers', () => {
  const sized = (size: string) => (text: string) =>
    text.replace(/"layers":[^]*$/, (layers) => layers.replaceAll(/"size":\d+/g, `"size":${size}`));

  it.each(['9223372036854775807', '9007199254740993', '-1', '1e309', '"12"'])('%s is exit 7 with the field', async (size) => {
    const image = await made();
    await changeManifest(image, sized(size));
    const registry = await serve(image);
    const result = await home.run(['warm', `${registry.host}/app:v1`, '--json']);
    expect([result.code, result.json().error?.code]).toEqual([7, 'MANIFEST_INVALID']);
    expect(result.json().error?.message).toContain('layers[0].size');
    expect(registry.requests).toHaveLength(1);
  });

  it('two layers of 2^53-1 bytes wrap no sum: nothing negative is said, and what cannot be kept is not asked for', async () => {
    const image = await made();
    await changeManifest(image, sized(String(Number.MAX_SAFE_INTEGER)));
    const registry = await serve(image);
    for (const args of [['inspect'], ['warm', '--dry-run'], ['warm'], ['index', '-o', home.path('x.clip')]]) {
      const [command = '', ...flags] = args;
      const result = await home.run([command, `${registry.host}/app:v1`, ...flags, '--json']);
      const numbers = result.stdout.match(/:(-?[0-9.e+]+)/g) ?? [];
      expect([command, numbers.filter((text) => text.startsWith(':-') || text.includes('e+'))]).toEqual([command, []]);
      expect([command, result.code]).toEqual([command, { inspect: 0, warm: flags.length === 1 ? 0 : 8, index: 7 }[command]]);
    }
    // What no disk can hold is not begun; an index looks, and once more.
    const layers = image.layers.map(({ digest }) => registry.countOf(`/v2/app/blobs/${digest}`));
    expect(layers).toEqual([2, 2]);
  });
});

describe('row 34: a tag that moves while it is used', () => {
  it('is resolved once: the first digest is what is printed, in JSON, and what comes', async () => {
    const [first, second] = [
      await makeLayout(home.path('app'), [{ files: { a: 'first' } }]),
      await makeLayout(home.path('moved'), [{ files: { a: 'second' } }]),
    ];
    const registry = await serve(first, second);
    let asked = 0;
    registry.script = ({ path }) => {
      if (!path.endsWith('/manifests/v1')) return undefined;
      return asked++ === 0 ? undefined : { status: 307, headers: { location: '/v2/moved/manifests/v1' } };
    };
    const shown = await home.run(['inspect', `${registry.host}/app:v1`]);
    expect(shown.stdout).toContain(first.manifestDigest);
    for (const args of [['warm'], ['index', '-o', home.path('x.clip')], ['verify']]) {
      asked = 0;
      const [command = '', ...flags] = args;
      const result = await home.run([command, `${registry.host}/app:v1`, ...flags, '--cache-dir', home.path(command), '--json']);
      expect([command, result.code, asked]).toEqual([command, 0, 1]);
      expect(result.stdout).toContain(first.manifestDigest);
      expect(result.stdout).not.toContain(second.layers[0]?.digest);
    }
    expect((await home.run(['inspect', `${registry.host}/app@${first.manifestDigest}`, '--json'])).json()['manifestDigest']).toBe(
      first.manifestDigest,
    );
  });
});
