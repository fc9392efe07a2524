import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeHome, type Home } from '../e2e/run-cli.ts';
import { warmIntoSlowRemote } from '../e2e/slow-remote.ts';
import { makeLargeLayout } from '../servers/large-layout.ts';

const MIB = 1 << 20;
const GIB = 1 << 30;
let home: Home;

beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

describe('row 17: a layer of 1 GiB into a remote of 10 MB/s', () => {
  it.each([1, 8])(
    'waits on disk: at most 256 MiB resident with --jobs %i',
    async (jobs) => {
      const { reference, sizeBytes } = await makeLargeLayout(home.path('app'), GIB);
      const { result, document, sentBytes } = await warmIntoSlowRemote(home, { reference, layers: 1, jobs });
      expect(result.code, result.stderr).toBe(0);
      expect(document.warnings).toEqual([]);
      expect(sentBytes.inAll).toBeGreaterThan(sizeBytes);
      expect(sentBytes.whenWarm).toBeLessThan(sizeBytes / 10);
      expect(document.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      expect(document.peakRssBytes).toBeLessThanOrEqual(256 * MIB);
      process.stdout.write(`row 17, --jobs ${jobs}: ${Math.round(document.peakRssBytes / MIB)} MiB resident\n`);
    },
    400_000,
  );
});

describe('row 17: eight layers at once into a remote of 10 MB/s', () => {
  it('are all stored, however long one waits for its share of the line, in at most 256 MiB', async () => {
    const layers = 8;
    const { reference, sizeBytes } = await makeLargeLayout(home.path('app'), 128 * MIB, { layers });
    const { result, document, sentBytes } = await warmIntoSlowRemote(home, { reference, layers, jobs: layers });
    expect(result.code, result.stderr).toBe(0);
    expect(document.warnings).toEqual([]);
    expect(document.images[0]?.layers.map(({ stored }) => stored.length)).toEqual(Array(layers).fill(1));
    expect(sentBytes.inAll).toBeGreaterThan(sizeBytes);
    expect(document.peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
    expect(document.peakRssBytes).toBeLessThanOrEqual(256 * MIB);
    process.stdout.write(`row 17, ${layers} layers: ${Math.round(document.peakRssBytes / MIB)} MiB resident\n`);
  }, 400_000);
});
