/** Opens sources for tests: no waiting between tries, no configuration of the machine. */
import { fileURLToPath } from 'node:url';
import type { Clock } from '../../src/lib/http/clock.ts';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import { openImageSource, type OpenSourceOptions } from '../../src/lib/source/open-source.ts';

export const ALL_FIXTURES = ['multiplatform', 'odd-plain', 'odd-docker', 'odd-zstd', 'duplayer'] as const;

/** The image layout of a fixture. */
export function layoutOf(fixture: string): string {
  return fileURLToPath(new URL(`../fixtures/${fixture}/oci`, import.meta.url));
}

export function openForTest(name: string, options: Partial<OpenSourceOptions> = {}): ImageSource {
  return openImageSource(name, {
    timeoutMs: 10_000,
    retries: 3,
    allowForeign: false,
    insecureRegistries: [],
    environment: { HOME: '/nonexistent' },
    clock: impatientClock(),
    ...options,
  });
}

/** Does not wait, but says that it has. */
export function impatientClock(): Clock {
  let skippedMs = 0;
  return {
    nowMs: () => performance.now() + skippedMs,
    sleep: async (waitMs) => void (skippedMs += waitMs),
  };
}
