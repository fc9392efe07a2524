import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { KERNEL_NAME, KERNEL_PATH } from './build-kernel.js';
import { namedCommonJsImports } from './commonjs-imports.js';
import { collectLicenses } from './licenses.js';
import { mergeChunks } from './merge-chunks.js';
import { ROOT } from './root.js';
import { undiciParts } from './undici-parts.js';

const DIST = join(ROOT, 'dist');

/** So long a process that started from an older build may still ask for a chunk of it. */
const LAZY_LOAD_MS = 600_000;

const ENTRIES = {
  cli: 'src/cli/main.ts',
  commands: 'src/commands/commands.ts',
  index: 'src/index.ts',
};

/** What is loaded together, so that it is few files: what every command begins with, and what most of them do. */
const MERGED = [
  [ENTRIES.cli, ENTRIES.commands],
  ['src/lib/operations/open-session.ts', 'src/lib/operations/plan.ts', 'src/lib/operations/warm.ts'],
  ['src/cli/render/plan.ts', 'src/cli/render/warm-summary.ts'],
  [ENTRIES.index],
];

/** The encoder: read as a file, so no import names it. */
const ZSTD_WASM = 'node_modules/@bokuweb/zstd-wasm/dist/common/zstd.wasm';

/** Of its own, so one file: threads start at once, and each file of a thread's is one more the whole process has open then. */
const WORKER_ENTRIES = { 'layer-worker': 'src/lib/pipeline/layer-worker.ts' };

/** CommonJS packages inside an ES module still ask for these three. */
const COMMONJS_NAMES = [
  "import { createRequire as createRequireOfBundle } from 'node:module';",
  "import { dirname as dirnameOfBundle } from 'node:path';",
  "import { fileURLToPath as pathOfBundle } from 'node:url';",
  'const require = createRequireOfBundle(import.meta.url);',
  'const __filename = pathOfBundle(import.meta.url);',
  'const __dirname = dirnameOfBundle(__filename);',
].join('\n');

/**
 * Builds dist/ from src/. Each file is written beside its final name and renamed, and what an older build left goes
 * later: a process that runs from dist meanwhile finds every file whole.
 */
export async function bundle() {
  const [main, worker] = await Promise.all([bundleEntries(ENTRIES), bundleEntries(WORKER_ENTRIES)]);
  const licenses = await collectLicenses([...[main, worker].flatMap(({ metafile }) => Object.keys(metafile.inputs)), ZSTD_WASM]);
  const files = [
    ...(await mergeChunks(main, MERGED)),
    ...worker.outputFiles.map((file) => ({ name: basename(file.path), contents: file.contents })),
    { name: KERNEL_NAME, contents: await readFile(KERNEL_PATH) },
    { name: basename(ZSTD_WASM), contents: await readFile(join(ROOT, ZSTD_WASM)) },
    { name: 'THIRD-PARTY-LICENSES.txt', contents: Buffer.from(licenses) },
  ];
  await replaceDist(files);
  return { files: files.length, bytes: files.reduce((sum, file) => sum + file.contents.length, 0) };
}

/** @param {Record<string, string>} entryPoints */
function bundleEntries(entryPoints) {
  return build({
    absWorkingDir: ROOT,
    entryPoints,
    outdir: DIST,
    write: false,
    metafile: true,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // oclif asks for the compiler only to transpile plugins, which src/cli/main.ts switches off: 10 MB for nothing.
    // grpc-js asks for the loader of .proto files only to serve channelz and ORCA, which we don't.
    external: ['typescript', '@grpc/proto-loader'],
    plugins: [namedCommonJsImports, undiciParts],
    chunkNames: 'chunk-[hash]',
    banner: { js: COMMONJS_NAMES },
    legalComments: 'none',
    logLevel: 'warning',
  });
}

/** @param {readonly { name: string, contents: Uint8Array | string }[]} files */
async function replaceDist(files) {
  await mkdir(DIST, { recursive: true });
  for (const { name, contents } of files) {
    const temporary = join(DIST, `.${name}.${process.pid}`);
    await writeFile(temporary, contents);
    await rename(temporary, join(DIST, name));
  }
  const names = new Set([...files.map((file) => file.name), 'types']);
  for (const name of await readdir(DIST)) {
    if (!names.has(name) && (await isAbandoned(join(DIST, name)))) await rm(join(DIST, name), { recursive: true, force: true });
  }
}

/** @param {string} path */
async function isAbandoned(path) {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs > LAZY_LOAD_MS;
}
