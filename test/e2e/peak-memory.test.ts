import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type Home } from './run-cli.ts';

const MIB = 1 << 20;
let home: Home;

beforeEach(async () => {
  home = await makeHome();
});
afterEach(() => home.remove());

// Elsewhere getrusage's figure is all there is.
it.skipIf(process.platform !== 'linux')(
  'peakRssBytes is what the command took, however large the process that started it',
  async () => {
    const { reference } = await makeLayout(home.path('app'), [{ files: { a: 'a' } }]);
    const ballast = Buffer.alloc(400 * MIB, 1);
    const result = await home.run(['warm', reference, '--json']);
    expect(result.code, result.stderr).toBe(0);
    expect(result.json().peakRssBytes).toBeGreaterThan(30 * MIB);
    expect(result.json().peakRssBytes).toBeLessThan(300 * MIB);
    expect(ballast.at(-1)).toBe(1);
  },
);
