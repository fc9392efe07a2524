import { afterEach, describe, expect, test } from 'vitest';
import { readAll } from '../conformance/image-source.ts';
import type { LoopbackOptions } from '../servers/loopback-registry.ts';
import { startRandomRegistry, type RandomRegistry } from './random-registry.ts';

const LAYER_BYTES = 200_000;
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  await Promise.all(closing.splice(0).map((close) => close()));
});

async function start(options?: Omit<LoopbackOptions, 'repositories'>): Promise<RandomRegistry> {
  const lab = await startRandomRegistry(LAYER_BYTES, options);
  closing.push(() => lab.close());
  return lab;
}

// The pool may open a second one while the first is about to become free; a connection for each blob would be 10 and more.
describe('two connections to each server are enough', () => {
  test('for blobs that are redirected one after the other, behind a login', async () => {
    const lab = await start({ redirectBlobs: true, auth: { kind: 'bearer' } });
    const { source, layer } = await lab.openLayer();
    for (let time = 0; time < 10; time++) expect(await readAll(source, layer)).toHaveLength(LAYER_BYTES);
    expect(lab.registry.connections.registry).toBeLessThanOrEqual(2);
    expect(lab.registry.connections.storage).toBeLessThanOrEqual(2);
  });

  test('for parts of a blob', async () => {
    const lab = await start();
    const { source, layer } = await lab.openLayer();
    for (let start = 0; start < LAYER_BYTES; start += 20_000) {
      expect(await readAll(source, layer, { start, end: start + 20_000 })).toHaveLength(20_000);
    }
    expect(lab.registry.connections.registry).toBeLessThanOrEqual(2);
  });

  test('but the long body of a redirect is not read for it', async () => {
    const lab = await start();
    const { source, layer } = await lab.openLayer();
    const path = `/v2/lab/random/blobs/${layer.digest}`;
    lab.registry.script = ({ query }) =>
      query === '' ? { status: 307, headers: { location: `${path}?again` }, body: 'x'.repeat(5_000_000) } : undefined;
    for (let time = 0; time < 5; time++) expect(await readAll(source, layer)).toHaveLength(LAYER_BYTES);
    expect(lab.registry.connections.registry).toBeGreaterThanOrEqual(5);
  });
});
