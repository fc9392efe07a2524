import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseChallenges } from '../../src/lib/auth/challenge.ts';

const read = (header: string) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

describe('parseChallenges', () => {
  test('reads what Docker Hub, GHCR and Harbor send', () => {
    expect(
      read('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"'),
    ).toEqual([
      [
        'bearer',
        { realm: 'https://auth.docker.io/token', service: 'registry.docker.io', scope: 'repository:library/alpine:pull' },
      ],
    ]);
    expect(read('Basic realm="x, y", Bearer realm=token , service = ')).toEqual([
      ['basic', { realm: 'x, y' }],
      ['bearer', { realm: 'token' }],
      ['service', {}],
    ]);
  });

  test('unescapes quoted pairs; an open quote ends the list', () => {
    expect(read('Basic realm="a\\"b\\\\c"')).toEqual([['basic', { realm: 'a"b\\c' }]]);
    expect(read('Bearer realm="never closed')).toEqual([['bearer', {}]]);
  });

  test('never throws and ends quickly on 50 KB of anything', () => {
    const piece = fc.constantFrom('=', '"', ',', ' ', '\\', 'a', 'realm="', 'Bearer ', '\u0000', 'ä');
    const header = fc.array(piece, { maxLength: 300 }).map((pieces) => pieces.join('').repeat(50));
    fc.assert(fc.property(header, (text) => Array.isArray(parseChallenges(text))));
  });
});
