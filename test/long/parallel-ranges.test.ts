/** Issue "Transfer": a layer served at 10 MB/s a connection comes at least 3 times as fast as over one. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeMixedImage, MIXED, servedOf } from '../e2e/mixed-image.ts';
import { makeHome } from '../e2e/run-cli.ts';
import { startLoopbackRegistry, type Fault } from '../servers/loopback-registry.ts';

const MIB = 1024 * 1024;
const SLOW: Fault = { bytesPerSecond: 10_000_000 };
const REPEATS = 3;

describe.each(MIXED)('a %s layer at 10 MB/s a connection', (compression) => {
  it('comes at least 3 times as fast by ranges as by one stream, each byte once', async () => {
    const store = await makeHome();
    const image = await makeMixedImage(join(store.dir, 'image'), 96 * MIB, [compression]);
    const { digest = '', compressedBytes = 0 } = image.layers[0] ?? {};
    const registry = await startLoopbackRegistry({ repositories: { 'lab/slow': image.directory } });
    const tookMs = async (fault: Fault): Promise<number> => {
      const times: number[] = [];
      for (let at = 0; at < REPEATS; at++) {
        const home = await makeHome();
        registry.script = ({ path }) => (path.endsWith(digest) ? fault : undefined);
        const before = servedOf(registry, digest);
        const result = await home.run(['warm', `${registry.host}/lab/slow:v1`, '--json']);
        expect(result.code, result.stderr).toBe(0);
        expect(servedOf(registry, digest) - before).toBe(compressedBytes);
        times.push(result.json<{ durationMs: number }>().durationMs);
        await home.remove();
      }
      return times.toSorted((a, b) => a - b)[REPEATS >> 1] ?? 0;
    };
    // A server without Range is read over one connection.
    const one = await tookMs({ ...SLOW, ignoreRange: true });
    const many = await tookMs(SLOW);
    console.log(`${compression}: one stream ${one} ms, ranges ${many} ms: ${(one / many).toFixed(2)} times as fast`);
    expect(one / many).toBeGreaterThanOrEqual(3);
    await registry.close();
    await store.remove();
  }, 120_000);
});
