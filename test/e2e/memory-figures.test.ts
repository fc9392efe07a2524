import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1 << 20;
let home: Home;

beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

describe('peakRssBytes', () => {
  it('is that of the command, not of whoever started it', async () => {
    const { reference } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }]);
    const held = Buffer.alloc(400 * MIB, 1);
    const warmed = await home.run(['warm', reference, '--json']);
    expect(warmed.code, warmed.stderr).toBe(0);
    expect(warmed.json().peakRssBytes).toBeLessThan(held.length / 2);
    expect(warmed.json().peakRssBytes).toBeGreaterThan(20 * MIB);
  });
});
