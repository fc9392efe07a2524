/** The data sets of the distribution specification's conformance suite, as a client meets them, and their odd relatives. */
import { readdir, writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { ClipctlError, errorCodeOf, type ErrorCode } from '../../src/lib/errors.ts';
import { openCache } from '../../src/lib/operations/open-cache.ts';
import { openSession } from '../../src/lib/operations/open-session.ts';
import { verifyImage } from '../../src/lib/operations/verify-image.ts';
import { failureOf } from '../../src/lib/operations/verify-results.ts';
import { REFUSED_IMAGES, sha256, TAKEN_IMAGES, tarOf, writeConformanceLayouts } from '../servers/conformance-layouts.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { makeHome, type Home } from './run-cli.ts';

let home: Home;
let registry: LoopbackRegistry;
beforeAll(async () => {
  home = await makeHome();
  const layouts = await writeConformanceLayouts(home.path('layouts'));
  const repositories = Object.fromEntries([...layouts].map(([name, directory]) => [`conformance/${name}`, directory]));
  registry = await startLoopbackRegistry({ repositories });
});
afterAll(async () => {
  await registry.close();
  await home.remove();
});

const nameOf = (name: string): string => `${registry.host}/conformance/${name}:v1`;
const layersIn = async (cache: string): Promise<readonly string[]> =>
  (await readdir(home.path('caches', cache)).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));

const DEEDS = ['inspect', 'index', 'warm', 'verify', 'index --all-platforms', 'warm --all-platforms'] as const;
type Deed = (typeof DEEDS)[number];

/** What a command does, in this process; its error is thrown, and so is the first problem that `verify` lists. */
async function run(deed: Deed, name: string, allowForeign = false): Promise<void> {
  const cacheDir = home.path('caches', `${deed}-${name}`);
  const image = nameOf(name);
  const [command = '', flag] = deed.split(' ');
  if (command === 'verify') return verify(image, cacheDir);
  const cache = openCache({ cacheDir, retries: 0, allowForeign });
  const allPlatforms = flag !== undefined;
  try {
    if (command === 'inspect') await cache.inspect({ image });
    else if (command === 'warm') await cache.warm({ images: [image], allPlatforms });
    else await cache.index({ image, allPlatforms, ...(allPlatforms ? {} : { output: home.path(`${name}.clip`) }) });
  } finally {
    await cache.close();
  }
}

async function verify(image: string, cacheDir: string): Promise<void> {
  const session = openSession({
    ...{ cacheDir, jobs: 2, maxMemoryBytes: 32 * 1024 ** 2, offline: false, timeoutMs: 30_000, retries: 0 },
    ...{ maxLayerBytes: 1024 ** 3, maxEntries: 1000, allowForeign: false, insecureRegistries: [] },
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  try {
    const { problems } = await verifyImage(session, { image });
    const failure = failureOf(problems);
    if (failure !== undefined) throw new ClipctlError(problems[0]?.code as ErrorCode, 'verify');
  } finally {
    await session.close();
  }
}

describe.each(TAKEN_IMAGES)('%s', (name) => {
  it('is inspected, indexed, warmed and verified, and no blob is asked for twice', async () => {
    for (const deed of DEEDS.slice(0, 4)) {
      const before = registry.requests.length;
      await run(deed, name);
      const paths = registry.requests.slice(before).map(({ path }) => path);
      expect(paths.filter((path, at) => paths.indexOf(path) !== at)).toEqual([]);
    }
  });
});

describe.each(REFUSED_IMAGES)('%s', (name, exit, code) => {
  it(`is exit ${exit}, ${code}, and nothing is kept of it`, async () => {
    for (const deed of DEEDS.slice(1)) {
      const error: unknown = await run(deed, name).catch((thrown: unknown) => thrown);
      expect([deed, errorCodeOf(error), exitCodeOf(errorCodeOf(error))]).toEqual([deed, code, exit]);
      expect(await layersIn(`${deed}-${name}`)).toEqual([]);
    }
  });
});

it('non-distributable layers are listed by inspect, and taken from the registry itself with --allow-foreign', async () => {
  await run('inspect', 'non-distributable-with-urls');
  await run('warm', 'non-distributable-with-urls', true);
  expect(await layersIn('warm-non-distributable-with-urls')).toHaveLength(1);
});

it('a reference by sha512 is exit 9 before anything is asked', async () => {
  const before = registry.requests.length;
  const result = await home.run(['inspect', `${registry.host}/conformance/no-layers@sha512:${'a'.repeat(128)}`, '--json']);
  expect([result.code, result.json().error?.code]).toEqual([9, 'UNSUPPORTED_DIGEST']);
  expect(registry.requests).toHaveLength(before);
});

describe('a list of images that share a layer, one of them without compression', () => {
  const names = (): readonly string[] =>
    ['uncompressed-layers', 'nested-index', 'extra-fields', 'one-layer-five-times'].map(nameOf);
  const FORMS: Readonly<Record<string, (images: readonly string[]) => string>> = {
    'images.txt': (images) => `# all\n${images.join('\n')}\n${images[0]}\n`,
    'pod.yaml': (images) => `kind: Pod\nspec:\n  containers:\n${images.map((name) => `    - image: ${name}\n`).join('')}`,
    'compose.yaml': (images) => `services:\n${images.map((name, at) => `  s${at}:\n    image: "${name}"\n`).join('')}`,
    Dockerfile: (images) => images.map((name, at) => `FROM ${name} AS s${at}\nRUN true\n`).join(''),
    '-': (images) => images.join('\n'),
  };

  it.each(Object.keys(FORMS))('as %s fetches the content once', async (form) => {
    const text = FORMS[form]?.(names()) ?? '';
    const before = registry.requests.length;
    if (form !== '-') await writeFile(home.path(form), text);
    const file = form === '-' ? '-' : home.path(form);
    const cache = ['--cache-dir', home.path('caches', `list-${form}`)];
    const result = await home.run(['warm', '-f', file, ...cache, '--json'], form === '-' ? { input: text } : {});
    expect(result.code, result.stdout).toBe(0);
    expect(result.json<{ images: readonly unknown[] }>().images).toHaveLength(4);
    const tar = tarOf('file', 'content');
    const shared = [tar, gzipSync(tar)].map((bytes) => `sha256:${sha256(bytes)}`);
    const asked = registry.requests.slice(before).flatMap(({ path }) => /\/blobs\/(.*)$/.exec(path)?.[1] ?? []);
    expect(asked.filter((digest) => shared.includes(digest))).toHaveLength(1);
  });
});
