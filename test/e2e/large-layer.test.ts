/** A layer of 1 GiB through the whole command: memory stays where the budget puts it, and the bytes are the same. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createLayout, writeImage, writeLayer } from '../servers/layout-writer.ts';
import { makeHome, type Home } from './run-cli.ts';

const GIB = 1024 ** 3;
const BUDGET_BYTES = 32 * 1024 * 1024;

let home: Home;
let reference: string;
let diffId: string;

beforeAll(async () => {
  home = await makeHome();
  const directory = join(home.dir, 'image');
  await createLayout(directory);
  const layer = await writeLayer(directory, largeTar(GIB), 'none');
  await writeImage(directory, { layers: [layer], tag: 'v1', created: '2024-01-02T03:04:05Z' });
  reference = `oci:${directory}:v1`;
  diffId = layer.diffId;
}, 120_000);
afterAll(() => home.remove());

interface MemoryFigures {
  readonly peakBufferedBytes: number;
  readonly peakRssBytes: number;
}

it('push-cache of a 1 GiB layer keeps at most 32 MiB in flight, in 33 chunks', { timeout: 180_000 }, async () => {
  const idle = await home.run(['inspect', reference, '--json']);
  expect(idle.code, idle.stderr).toBe(0);
  const warmed = await home.run(['warm', reference, '--json']);
  expect(warmed.code, warmed.stderr).toBe(0);
  const remote = join(home.dir, 'remote');
  const pushed = await home.run(['push-cache', reference, '--to', `file://${remote}`, '--json']);
  expect(pushed.code, pushed.stderr).toBe(0);
  const document = pushed.json<MemoryFigures & { remotes: { layers: { sentBytes: number; chunks: number }[] }[] }>();
  // The tar's two end blocks make it a little more than 32 chunks.
  expect(document.remotes[0]?.layers).toMatchObject([{ sentBytes: GIB + 2048 - 512, chunks: 33 }]);
  expect(document.peakBufferedBytes).toBeGreaterThan(0);
  expect(document.peakBufferedBytes).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(warmed.json<MemoryFigures>().peakBufferedBytes).toBeLessThanOrEqual(BUDGET_BYTES);
  expect(await sha256Of(join(remote, diffId.slice('sha256:'.length)))).toBe(diffId);
  await rm(remote, { recursive: true });
});

/** A tar of exactly one file of `sizeBytes`, its content told by a counter. */
async function* largeTar(sizeBytes: number): AsyncGenerator<Uint8Array> {
  const { pack } = await import('tar-stream');
  const tar = pack();
  const entry = tar.entry({ name: 'large', size: sizeBytes, mtime: new Date(0) }, () => tar.finalize());
  const fill = async (): Promise<void> => {
    const piece = Buffer.alloc(1 << 20);
    for (let at = 0; at < sizeBytes; at += piece.length) {
      piece.writeUInt32LE(at / piece.length, 0);
      if (!entry.write(Buffer.from(piece))) await new Promise<void>((resolve) => entry.once('drain', () => resolve()));
    }
    entry.end(undefined);
  };
  const filled = fill();
  for await (const piece of tar) yield piece as Uint8Array;
  await filled;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(piece as Uint8Array);
  return `sha256:${hash.digest('hex')}`;
}
