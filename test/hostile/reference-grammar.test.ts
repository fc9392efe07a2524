/** RELIABILITY §1.3 row 30: references as the distribution project's grammar has them (reference/regexp.go, normalize.go). */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ClipctlError } from '../../src/lib/errors.ts';
import { formatReference, parseReference } from '../../src/lib/oci/reference.ts';

const COMPONENT = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}';
/** ReferenceRegexp with a domain, which a normalized name always has. Anchored, of short strings only: backtracking is why ours is written by hand. */
const REFERENCE = new RegExp(
  `^(${DOMAIN}/${COMPONENT}(?:/${COMPONENT})*)(?::([a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}))?(?:@(${DIGEST}))?$`,
);

/** ParseNormalizedNamed and TagNameOnly, for what has no digest; undefined = an error. */
function normalized(text: string): string | undefined {
  if (/^[a-f0-9]{64}$/.test(text)) return undefined;
  const slash = text.indexOf('/');
  const first = text.slice(0, Math.max(0, slash));
  const isHost = slash >= 0 && (/[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first);
  const domain = !isHost || first === 'index.docker.io' ? 'docker.io' : first;
  const rest = isHost ? text.slice(slash + 1) : text;
  const remainder = domain === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  const match = REFERENCE.exec(`${domain}/${remainder}`);
  return match === null ? undefined : `${match[1]}:${match[2] ?? 'latest'}`;
}

function ours(text: string): string | undefined {
  try {
    return formatReference(parseReference(text));
  } catch (error) {
    if (error instanceof ClipctlError) return undefined;
    throw error;
  }
}

/** What we refuse on purpose: ports that there are not, brackets around what is no address, labels that DNS cannot have. */
function isRefusedOnPurpose(text: string): boolean {
  const host = text.slice(0, text.indexOf('/'));
  const [, port] = /:([0-9]+)$/.exec(host) ?? [];
  const isNoPort = port !== undefined && (Number(port) < 1 || Number(port) > 65535 || port.length > 5);
  const bracketed = /^\[(.*)\]/.exec(host)?.[1];
  return isNoPort || (bracketed !== undefined && !URL.canParse(`http://[${bracketed}]/`)) || /[^.]{64}/.test(host);
}

const LETTERS = fc.constantFrom(...Array.from('aaabz09AZ.-_:/@[]%!é \u0000'));
const WORDS = fc.constantFrom(
  'a',
  'b1',
  'localhost',
  'docker.io',
  'index.docker.io',
  'r.io',
  ':5000',
  ':0',
  '[::1]',
  '/',
  ':',
  '.',
  '__',
  '--',
  'latest',
  'A',
);

test('row 30: 10^5 random strings are references exactly where the grammar of distribution/reference says so', () => {
  let accepted = 0;
  const text = fc.oneof(
    fc.string({ unit: LETTERS, maxLength: 24 }),
    fc.array(WORDS, { maxLength: 8 }).map((words) => words.join('')),
  );
  fc.assert(
    fc.property(text, (given) => {
      const expected = normalized(given);
      const found = ours(given);
      if (expected !== undefined) accepted++;
      if (found === undefined && expected !== undefined && isRefusedOnPurpose(given)) return;
      // A host has no case; docker keeps it as it was written.
      const [host = '', ...rest] = (expected ?? '').split('/');
      expect([given, found]).toEqual([given, expected === undefined ? undefined : [host.toLowerCase(), ...rest].join('/')]);
    }),
    { numRuns: 100_000 },
  );
  // The strings are not all nonsense.
  expect(accepted).toBeGreaterThan(5_000);
}, 120_000);
