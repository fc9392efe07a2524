import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { parseBlobcacheAddress } from '../../../../src/lib/cache/remote/blobcache/blobcache-address.ts';
import { ClipctlError } from '../../../../src/lib/errors.ts';

const parse = (url: string, environment = {}) => parseBlobcacheAddress(new URL(url), environment);

describe('the URL of a blobcache remote', () => {
  it.each([
    ['blobcache://cache.example', 'cache.example:2049', 'blobcache://cache.example:2049'],
    ['blobcache://Cache.Example:3000/', 'cache.example:3000', 'blobcache://cache.example:3000'],
    ['blobcache://[::1]:7', '[::1]:7', 'blobcache://[::1]:7'],
    ['blobcache://:t%2Fk@10.0.0.1', '10.0.0.1:2049', 'blobcache://10.0.0.1:2049'],
    ['blobcache://h?locality=eu-1', 'h:2049', 'blobcache://h:2049?locality=eu-1'],
  ])('%j names %j and prints as %j', (text, name, printed) => {
    expect(parse(text)).toMatchObject({ name, url: printed });
  });

  it('takes its token from the password, else from the environment', () => {
    const environment = { CLIPCTL_BLOBCACHE_TOKEN: 'from-outside' };
    expect(parse('blobcache://:t%2Fk@h', environment).token).toBe('t/k');
    expect(parse('blobcache://h', environment).token).toBe('from-outside');
    expect(parse('blobcache://h').token).toBeUndefined();
  });

  it.each([
    'blobcache:///x',
    'blobcache:x',
    'blobcache://h/path',
    'blobcache://h#part',
    'blobcache://h?token=canary',
    'blobcache://h?locality=a&locality=b',
    'blobcache://h?locality=a%0Ab',
    'blobcache://user:canary@h',
    'blobcache://canary@h',
    'blobcache://:canary%0D%0Ax:y@h',
    'blobcache://:canary%20@h',
    'blobcache://:canary%zz@h',
    'blobcache://h:0',
    'blobcache://h%00',
  ])('%j is refused with USAGE, and shows no token', (text) => {
    let refusal: unknown;
    try {
      parse(text);
    } catch (error) {
      refusal = error;
    }
    expect(refusal).toBeInstanceOf(ClipctlError);
    expect((refusal as ClipctlError).code).toBe('USAGE');
    expect(inspect(refusal, { depth: 10, showHidden: true })).not.toContain('canary');
  });

  it('row 31: a token with line ends in the environment is refused, and not shown', () => {
    for (const token of ['canary\r\nx: y', 'canary\n', 'canary\0', 'ca nary', 'canäry']) {
      expect(() => parse('blobcache://h', { CLIPCTL_BLOBCACHE_TOKEN: token })).toThrow('token');
    }
  });
});
