import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';
import { warmIntoSlowRemote } from './slow-remote.ts';

const MIB = 1 << 20;
const TOTAL_BYTES = 96 * MIB;
let home: Home;

beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

describe('row 17: a remote of 10 MB/s', () => {
  it.each([
    [1, 1],
    [1, 8],
    [8, 2],
  ])(
    'makes layers wait on disk, not in memory: %i of them, --jobs %i',
    async (count, jobs) => {
      const layers = Array.from({ length: count }, (_, at) => ({ files: { [`f${at}`]: randomBytes(TOTAL_BYTES / count) } }));
      const { reference } = await makeLayout(home.path('app'), layers);
      const { result, document, sentBytes } = await warmIntoSlowRemote(home, { reference, layers: count, jobs });
      expect(result.code, result.stderr).toBe(0);
      expect(document.warnings).toEqual([]);
      expect(document.images[0]?.layers.every(({ stored }) => stored.length === 1)).toBe(true);
      expect(sentBytes.whenWarm).toBeLessThan(TOTAL_BYTES / 2);
      expect(sentBytes.inAll).toBeGreaterThan(TOTAL_BYTES);
      expect(document.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      expect(document.peakRssBytes).toBeLessThanOrEqual(256 * MIB);
    },
    120_000,
  );
});
