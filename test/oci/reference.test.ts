import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatReference, parseReference } from '../../src/lib/oci/reference.ts';

const DIGEST = `sha256:${'0f'.repeat(32)}`;

describe('parseReference', () => {
  test.each([
    ['alpine', 'docker.io/library/alpine:latest'],
    ['alpine:3.20', 'docker.io/library/alpine:3.20'],
    ['owner/app', 'docker.io/owner/app:latest'],
    ['docker.io/alpine', 'docker.io/library/alpine:latest'],
    ['index.docker.io/library/alpine', 'docker.io/library/alpine:latest'],
    ['ghcr.io/owner/app:v1', 'ghcr.io/owner/app:v1'],
    ['localhost/app', 'localhost/app:latest'],
    ['localhost:5000/app', 'localhost:5000/app:latest'],
    ['app:5000', 'docker.io/library/app:5000'],
    ['127.0.0.1:5000/a/b/c', '127.0.0.1:5000/a/b/c:latest'],
    ['[::1]:5000/app', '[::1]:5000/app:latest'],
    ['Registry/app', 'registry/app:latest'],
    [`alpine@${DIGEST}`, `docker.io/library/alpine@${DIGEST}`],
    [`r.io/a:t@${DIGEST}`, `r.io/a:t@${DIGEST}`],
    ['r.io/a__b/c-----d/e.f_g', 'r.io/a__b/c-----d/e.f_g:latest'],
    ['a_b', 'docker.io/library/a_b:latest'],
  ])('%s is %s', (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
  });

  test.each([
    '',
    ' ',
    'a b',
    'Alpine',
    'r.io/App',
    'r.io/',
    '/a',
    'a//b',
    'a/',
    '-a',
    'a-',
    '_a',
    'a..b',
    'a___b',
    'a._b',
    'a-_b',
    'a:',
    'a:-x',
    'a:x y',
    `a:${'t'.repeat(129)}`,
    'a:b:c',
    'r.io:99999/a',
    'r.io:0/a',
    'r_x.io/a',
    '-r.io/a',
    '[::1/a',
    '[zz]/a',
    'user@host/a:x',
    'https://r.io/a',
    '../a',
    'a/../b',
    '%2e%2e/a',
    'a\0b',
    `a/${'b'.repeat(256)}`,
    'a'.repeat(5000),
    'f'.repeat(64),
  ])('%j is refused with a hint', (text) => {
    try {
      parseReference(text);
    } catch (error) {
      expect(['REFERENCE_INVALID', 'DIGEST_INVALID']).toContain((error as { code: string }).code);
      return;
    }
    throw new Error('was taken');
  });

  test('what it writes it reads back the same', () => {
    const word = fc.stringMatching(/^[a-z0-9]{1,8}$/);
    const part = fc
      .tuple(word, fc.constantFrom('', '.', '_', '__', '-', '---'), word)
      .map(([a, s, b]) => (s === '' ? a : `${a}${s}${b}`));
    const repository = fc.array(part, { minLength: 2, maxLength: 4 }).map((parts) => parts.join('/'));
    const registry = fc.constantFrom('r.io', 'localhost:1', '10.0.0.1', 'docker.io');
    const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}$/);
    fc.assert(
      fc.property(registry, repository, tag, (host, name, t) => {
        fc.pre(!/(^|\/)[0-9a-f]{64}$/.test(name));
        expect(parseReference(`${host}/${name}:${t}`)).toEqual({ registry: host, repository: name, tag: t });
      }),
    );
  });
});

/** The grammar of the distribution project, written as it is there, but for a separator that does not backtrack. */
const DISTRIBUTION = (() => {
  const component = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*';
  const label = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
  const domain = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
  return new RegExp(`^(${domain})/(${component}(?:/${component})*)(?::(\\w[\\w.-]{0,127}))?$`);
})();

/** What docker makes of a name: its default host and `library/`, then the grammar. */
function asDistribution(text: string): string | undefined {
  const slash = text.indexOf('/');
  const first = slash < 0 ? '' : text.slice(0, slash);
  const isHost = /[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase();
  const host = isHost ? first : 'docker.io';
  const rest = isHost ? text.slice(slash + 1) : text;
  const path = host === 'docker.io' && !rest.includes('/') ? `library/${rest}` : rest;
  const [, domain, repository, tag = 'latest'] = DISTRIBUTION.exec(`${host}/${path}`) ?? [];
  if (domain === undefined || repository === undefined || repository.length > 255) return undefined;
  return `${domain.toLowerCase()}/${repository}:${tag}`;
}

test('row 30: 100,000 strings are taken or refused as the distribution project does', () => {
  const piece = fc.constantFrom(
    'a',
    'b1',
    'A',
    '-',
    '--',
    '.',
    '_',
    '__',
    '/',
    ':',
    '80',
    'localhost',
    'r.io',
    'x:5000',
    '[::1]',
    ' ',
    'ä',
    '',
  );
  let taken = 0;
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
      const text = pieces.join('');
      const theirs = asDistribution(text);
      let ours: string | undefined;
      try {
        ours = formatReference(parseReference(text));
      } catch {
        ours = undefined;
      }
      taken += ours === undefined ? 0 : 1;
      // A port that no server can have, and an address that is none, are refused here and there at the first connection.
      const isOdd = theirs !== undefined && !URL.canParse(`http://${theirs.split('/', 1)[0] ?? ''}`);
      if (!isOdd) expect([text, ours]).toEqual([text, theirs]);
    }),
    { numRuns: 100_000 },
  );
  expect(taken).toBeGreaterThan(1000);
});
