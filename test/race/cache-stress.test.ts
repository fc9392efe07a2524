/** RELIABILITY §2 rows 14 and 24, the short form: test/long/cache-stress.test.ts is the long one. */
import { expect, test } from 'vitest';
import { stress } from './stress.ts';

test('§2 row 14: three processes warm, read, evict, verify and push on one cache for 15 s: no error, nothing wrong, nothing left', async () => {
  const { errors, counts, corrupt, leftovers } = await stress({ processes: 3, durationMs: 15_000, seed: 1 });
  expect({ errors, corrupt, leftovers }).toEqual({ errors: [], corrupt: [], leftovers: [] });
  for (const verb of ['warm', 'read', 'evict', 'verify', 'push']) expect(counts[verb]).toBeGreaterThan(0);
});
