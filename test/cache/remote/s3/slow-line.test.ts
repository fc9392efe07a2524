import { afterAll, beforeAll, expect, it } from 'vitest';
import { openS3Remote } from '../../../../src/lib/cache/remote/s3/s3-remote.ts';
import { startLatencyProxy, type LatencyProxy } from '../../../servers/latency-proxy.ts';
import { startScriptedS3, type ScriptedS3 } from '../../../servers/scripted-s3.ts';
import { signal } from '../../cache-directory.ts';
import { seededContent, sourceOf } from '../../seeded-content.ts';
import { contextForTest } from '../context-for-test.ts';

const MIB = 1 << 20;
const PARTS = 40;
let server: ScriptedS3;
let proxy: LatencyProxy;

beforeAll(async () => {
  server = await startScriptedS3({ isSink: true });
  proxy = await startLatencyProxy(Number(new URL(server.endpoint).port), 10);
});
afterAll(async () => {
  await proxy.close();
  await server.close();
});

it('an S3 push over a line of 20 ms is at least 1.5 times as fast as part after part', async () => {
  const elapsed = async (seed: number, options?: { readonly partsAtOnce: number }): Promise<number> => {
    const content = seededContent(seed, PARTS * (MIB / 4));
    const pieces = new Map(Array.from({ length: PARTS }, (_, at) => [at * (MIB / 4), content.slice(at * (MIB / 4), MIB / 4)]));
    const source = sourceOf(content.sizeBytes, (offset) => pieces.get(offset) ?? Buffer.alloc(0), MIB / 4);
    const url = new URL(`s3://${server.bucket}/slow?endpoint=http://127.0.0.1:${proxy.port}`);
    const context = contextForTest({ environment: server.environment });
    const cache = openS3Remote(url, context, options);
    await cache.contentExists(content.hash, { signal });
    const startedAt = performance.now();
    await cache.storeContent(source, content.hash, { sizeBytes: content.sizeBytes, signal });
    const elapsedMs = performance.now() - startedAt;
    await cache.close();
    await context.dispatcher.close();
    return elapsedMs;
  };
  // The better of two: other work on the machine is no property of ours.
  const alternating = Math.min(await elapsed(71, { partsAtOnce: 1 }), await elapsed(72, { partsAtOnce: 1 }));
  const pipelined = Math.min(await elapsed(73), await elapsed(74));
  expect(alternating / pipelined).toBeGreaterThan(1.5);
});
