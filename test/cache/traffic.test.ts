import { describe, expect, it } from 'vitest';
import { Traffic } from '../../src/lib/cache/traffic.ts';

describe('traffic', () => {
  it('is what was counted within the window, to a tenth of a second', () => {
    let now = 0;
    const traffic = new Traffic(() => now);
    for (now = 0; now < 3000; now += 10) traffic.count(5);
    now = 3000;
    expect(traffic.bytesWithin(1000)).toBe(500);
    expect(traffic.bytesWithin(2500)).toBe(1250);
    now = 3900;
    expect(traffic.bytesWithin(1000)).toBe(50);
    now = 10_000;
    expect(traffic.bytesWithin(1000)).toBe(0);
  });

  it('keeps a minute, however long it lasts', () => {
    let now = 0;
    const traffic = new Traffic(() => now);
    for (now = 0; now < 600_000; now += 100) traffic.count(1);
    expect(traffic.bytesWithin(Infinity)).toBe(600);
  });
});
