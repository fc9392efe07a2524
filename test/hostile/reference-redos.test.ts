import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ClipctlError } from '../../src/lib/errors.ts';
import { isHostAndPort, parseReference } from '../../src/lib/oci/reference.ts';
import { parsePlatform } from '../../src/lib/oci/platform.ts';
import { parseLayoutName } from '../../src/lib/source/layout-name.ts';
import { redactText } from '../../src/lib/redact.ts';

/** Far above what the parsers take, far below what backtracking would: a hang, not a measurement. */
const HANG_MS = 3000;
const SEEDS = [
  'a',
  'a-',
  'a__',
  'a/',
  'a.',
  '-',
  '_',
  '.',
  '/',
  ':',
  '@',
  'A',
  '%',
  '\u0000',
  'ä',
  '[',
  'a:',
  'sha256:',
  'http://',
  '?a=',
  'Basic ',
];

function endsIn(run: () => unknown): void {
  const startedMs = performance.now();
  try {
    run();
  } catch (error) {
    if (!(error instanceof ClipctlError)) throw error;
  }
  expect(performance.now() - startedMs).toBeLessThan(HANG_MS);
}

describe('row 30: 50 KB of anything', () => {
  test.each(SEEDS)('repeated %j ends at once in every parser', (seed) => {
    const text = seed.repeat(Math.ceil(50_000 / seed.length));
    for (const hostile of [text, `${text}!`, `h.io/${text}!`, `r:${text}`, `r@${text}`]) {
      for (const short of [hostile, hostile.slice(0, 4090)]) {
        endsIn(() => parseReference(short));
        endsIn(() => parseLayoutName(short));
        endsIn(() => parsePlatform(short));
        endsIn(() => isHostAndPort(short));
      }
      endsIn(() => redactText(hostile));
    }
  });

  test('any string is a reference or a ClipctlError, and a reference is safe to put into a URL', () => {
    const piece = fc.oneof(fc.constantFrom(...SEEDS), fc.string({ maxLength: 3 }));
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
        let parsed;
        try {
          parsed = parseReference(pieces.join(''));
        } catch (error) {
          expect(error).toBeInstanceOf(ClipctlError);
          return;
        }
        expect(parsed.repository).toMatch(/^[a-z0-9._/-]{1,255}$/);
        expect(parsed.repository).not.toMatch(/\.\.|\/\/|^\/|\/$/);
        expect(parsed.tag ?? 'x').toMatch(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/);
        expect(new URL(`https://${parsed.registry}/`).pathname).toBe('/');
      }),
      { numRuns: 5000 },
    );
  });
});
