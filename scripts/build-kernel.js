/**
 * Builds the inflate kernel of assembly/ into the one .wasm that is committed and shipped: users and CI need no compiler
 * for it, and test/compression/gzip/kernel-build.test.ts proves that the committed bytes are those of these sources.
 */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ROOT } from './root.js';
import { mustRun, runMain } from './run.js';

export const KERNEL_NAME = 'inflate.wasm';
export const KERNEL_PATH = join(ROOT, 'src/lib/compression/gzip', KERNEL_NAME);

const COMPILER = join(ROOT, 'node_modules/assemblyscript/bin/asc.js');
/** Shared with the thread that takes the output; the size is that of assembly/layout.ts in pages of 64 KiB. */
const MEMORY_FLAGS = ['--importMemory', '--sharedMemory', '--initialMemory', '43', '--maximumMemory', '43'];
const FLAGS = ['-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd,bulk-memory,threads', ...MEMORY_FLAGS];

/** Compiles the sources; the same bytes each time. */
export async function compileKernel() {
  const folder = await mkdtemp(join(tmpdir(), 'clipctl-kernel-'));
  try {
    const outFile = join(folder, KERNEL_NAME);
    await mustRun(process.execPath, [COMPILER, 'assembly/index.ts', ...FLAGS, '--outFile', outFile]);
    return await readFile(outFile);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Writes the .wasm when it differs from what stands there, whole or not at all. CI writes nothing: there a build before the
 * tests would make the committed file right before they look at it.
 * @param {{ path?: string, isWritable?: boolean }} [options]
 * @throws Error in CI when the file differs
 */
export async function buildKernel({ path = KERNEL_PATH, isWritable = process.env['CI'] !== 'true' } = {}) {
  const bytes = await compileKernel();
  const present = await readFile(path).catch(() => undefined);
  if (present?.equals(bytes) === true) return;
  if (!isWritable) throw new Error(`${KERNEL_NAME} is not what assembly/ compiles to: run \`npm run build\` and commit it`);
  const temporary = `${path}.${process.pid}`;
  await writeFile(temporary, bytes);
  await rename(temporary, path);
  process.stderr.write(`${KERNEL_NAME}: ${bytes.length} bytes, rebuilt\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await runMain(() => buildKernel());
