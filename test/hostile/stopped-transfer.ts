/** An image in a registry, and cache directories in which a transfer of its one layer was stopped half-way. */
import { execFile } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeMixedImage } from '../e2e/mixed-image.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';

const BIN = fileURLToPath(new URL('../../bin/run.js', import.meta.url));
const MIB = 1024 * 1024;
const KEPT_BYTES = 3 * MIB;

export interface StoppedImage {
  /** In the registry. */
  readonly reference: string;
  /** Warms into `cacheDir` until the connection breaks for good. @throws Error when that does not leave a transfer */
  readonly stopIn: (cacheDir: string) => Promise<void>;
  /** Bytes that the registry has served so far. */
  readonly servedBytes: () => number;
  readonly close: () => Promise<void>;
}

/** The layer is large enough to be flushed before its end. */
export async function serveStoppedImage(directory: string, compression: 'gzip' | 'zstd' = 'gzip'): Promise<StoppedImage> {
  const image = await makeMixedImage(directory, 12 * MIB, [compression]);
  const digest = image.layers[0]?.digest ?? '';
  const registry = await startLoopbackRegistry({ repositories: { app: image.directory } });
  const reference = `${registry.host}/app:v1`;
  return {
    reference,
    stopIn: async (cacheDir) => {
      let answers = 0;
      registry.script = ({ path }) => {
        if (!path.endsWith(digest)) return undefined;
        answers += 1;
        return answers === 1 ? { cutAt: KEPT_BYTES } : { status: 503 };
      };
      // The tries behind the cut give the worker time to take what has come.
      const code = await warm(['--retries', '2', '--cache-dir', cacheDir, reference], dirname(directory));
      registry.script = undefined;
      if (code !== 6) throw new Error(`the warm that should have been cut ended with ${code}`);
    },
    servedBytes: () => registry.bytesServed,
    close: () => registry.close(),
  };
}

function warm(args: readonly string[], home: string): Promise<number> {
  const env = { PATH: process.env['PATH'] ?? '', HOME: home };
  return new Promise((resolve) => {
    const command = [BIN, 'warm', '--progress', 'none', '--min-free', '0', ...args];
    const child = execFile(process.execPath, command, { env, timeout: 60_000 }, () => resolve(child.exitCode ?? -1));
  });
}
