/** RELIABILITY §1.3 row 28: files of Go CLIP and of ours, cut at each byte and damaged at random. */
import { describe, expect, it } from 'vitest';
import { decodeClip } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { ClipctlError } from '../../src/lib/errors.ts';
import { goFixtures } from '../clip/fixtures.ts';
import { smallClip } from '../clip/small-clip.ts';
import { mutate, seededNumbers } from './clip-mutations.ts';
import { errorOf } from './clip-refused.ts';

describe('a damaged file', () => {
  it.each(goFixtures())('$name/go.clip is refused wherever it is cut', ({ clip }) => {
    for (let length = 0; length < clip.byteLength; length++) {
      const error = errorOf(() => decodeClip(clip.subarray(0, length)));
      expect(error, `cut at ${length}`).toMatchObject({ code: 'CLIP_INVALID' });
    }
  });

  it('is refused or read after any damage, and nothing else happens', { timeout: 24 * 3600_000 }, () => {
    const originals = [...goFixtures().map(({ clip }) => clip), encodeClip(smallClip())];
    const runs = Number(process.env['CLIPCTL_FUZZ_RUNS'] ?? 20_000);
    const next = seededNumbers(Number(process.env['CLIPCTL_FUZZ_SEED'] ?? 1));
    let refused = 0;
    for (let run = 0; run < runs; run++) {
      const damaged = mutate(originals[run % originals.length] as Uint8Array, next);
      const error = errorOf(() => decodeClip(damaged));
      if (error === undefined) continue;
      refused += 1;
      if (error instanceof ClipctlError && error.code === 'CLIP_INVALID') continue;
      throw new Error(`run ${run}: ${Buffer.from(damaged).toString('base64')}`, { cause: error });
    }
    expect(refused).toBeGreaterThan(runs / 2);
  });
});
