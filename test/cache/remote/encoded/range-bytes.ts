/** That a range of a packed layer moves the frames that it touches, and no others: by what the server sent. */
import { expect, it } from 'vitest';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import { FRAME_BYTES } from '../../../../src/lib/compression/zstd/seek-table.ts';
import { startCountingProxy } from '../../../servers/counting-proxy.ts';
import { seededContent } from '../../seeded-content.ts';
import { openEncoder } from './open-packed.ts';

const { signal } = new AbortController();
const FRAMES = 6;

export interface RemoteBehindProxy {
  readonly serverPort: () => number;
  readonly open: (port: number) => Promise<ContentCache>;
}

export function readsOnlyItsFrames({ serverPort, open }: RemoteBehindProxy): void {
  it('a range of a packed layer reads only the frames it touches, by the bytes that the server sent', async () => {
    const proxy = await startCountingProxy(serverPort());
    const remote = await open(proxy.port);
    try {
      const { sizeBytes, slice, hash, source } = seededContent(11, FRAMES * FRAME_BYTES);
      const stored = await remote.storeContent(source(), hash, { sizeBytes, signal, encoder: await openEncoder() });
      // Random bytes do not shrink: each frame is 4 MiB where it stands, too.
      expect(stored.sentBytes).toBeGreaterThan(FRAMES * FRAME_BYTES);
      const before = proxy.sentBytes();
      const offset = 3 * FRAME_BYTES - 500;
      const pieces: Uint8Array[] = [];
      for await (const piece of (await remote.getContent(hash, { offset, length: 1000, signal })) ?? []) {
        pieces.push(piece as Uint8Array);
      }
      expect(Buffer.concat(pieces).equals(slice(offset, 1000))).toBe(true);
      const sentBytes = proxy.sentBytes() - before;
      expect(sentBytes).toBeGreaterThan(FRAME_BYTES);
      expect(sentBytes).toBeLessThan(2 * FRAME_BYTES + 256 * 1024);
    } finally {
      await remote.close();
      await proxy.close();
    }
  });
}
