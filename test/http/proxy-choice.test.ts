import { describe, expect, test } from 'vitest';
import { proxyFor } from '../../src/lib/http/proxy-choice.ts';

const PROXY = 'http://proxy.example:3128';

function choose(url: string, environment: Record<string, string>): string | undefined {
  return proxyFor(new URL(url), environment)?.href;
}

describe('the proxy for an address', () => {
  test('is HTTPS_PROXY for https, HTTP_PROXY for http, else ALL_PROXY; lower case goes first', () => {
    const environment = { HTTPS_PROXY: 'http://secure:1', HTTP_PROXY: 'http://plain:2', ALL_PROXY: 'http://all:3' };
    expect(choose('https://r.io/', environment)).toBe('http://secure:1/');
    expect(choose('http://r.io/', environment)).toBe('http://plain:2/');
    expect(choose('http://r.io/', { ALL_PROXY: 'all:3' })).toBe('http://all:3/');
    expect(choose('https://r.io/', { ...environment, https_proxy: 'https://lower:4' })).toBe('https://lower:4/');
    expect(choose('https://r.io/', {})).toBeUndefined();
    expect(choose('https://r.io/', { HTTPS_PROXY: '' })).toBeUndefined();
  });

  test('is ALL_PROXY alone for what is no HTTP', () => {
    const environment = { HTTPS_PROXY: 'http://secure:1', HTTP_PROXY: 'http://plain:2' };
    expect(choose('redis://cache.example:6379', environment)).toBeUndefined();
    expect(choose('redis://cache.example:6379', { ...environment, ALL_PROXY: PROXY })).toBe(`${PROXY}/`);
    expect(choose('redis://cache.example:6379', { ALL_PROXY: PROXY, NO_PROXY: '.example' })).toBeUndefined();
    expect(choose('redis://127.0.0.1:6379', { ALL_PROXY: PROXY })).toBeUndefined();
  });

  test('HTTP_PROXY is not believed where a web server runs us', () => {
    expect(choose('http://r.io/', { HTTP_PROXY: PROXY, REQUEST_METHOD: 'GET' })).toBeUndefined();
  });

  test('this machine needs none', () => {
    for (const url of ['http://localhost:5000/', 'http://127.0.0.1:5000/', 'http://127.9.9.9/', 'http://[::1]:5000/']) {
      expect(choose(url, { HTTP_PROXY: PROXY })).toBeUndefined();
    }
  });

  test.each<[string, string, boolean]>([
    ['*', 'https://r.io/', true],
    ['r.io', 'https://r.io/', true],
    ['r.io', 'https://a.r.io/', true],
    ['.r.io', 'https://a.r.io/', true],
    ['*.r.io', 'https://a.r.io/', true],
    ['r.io', 'https://evilr.io/', false],
    ['R.IO', 'https://r.io/', true],
    ['r.io:5000', 'https://r.io:5000/', true],
    ['r.io:5000', 'https://r.io/', false],
    ['r.io:443', 'https://r.io/', true],
    ['a.io, b.io  r.io', 'https://r.io/', true],
    ['10.0.0.0/8', 'https://10.1.2.3/', true],
    ['10.0.0.0/8', 'https://11.1.2.3/', false],
    ['10.0.0.0/8', 'https://r.io/', false],
    ['fd00::/8', 'https://[fd12::1]/', true],
    ['10.0.0.5', 'https://10.0.0.5:5000/', true],
    ['[fd12::1]:5000', 'https://[fd12::1]:5000/', true],
    ['fd12::1', 'https://[fd12::1]:5000/', true],
    ['10.0.0.0/99', 'https://10.0.0.1/', false],
  ])('NO_PROXY=%s for %s exempts: %s', (list, url, expected) => {
    const environment = { HTTPS_PROXY: PROXY, NO_PROXY: list };
    expect(choose(url, environment) === undefined).toBe(expected);
  });

  test.each(['socks5://p:1', 'http://', 'ht tp://x', '://'])('%j is refused without being quoted', (value) => {
    const secret = `${value}canary`;
    expect(() => choose('https://r.io/', { HTTPS_PROXY: value })).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => choose('https://r.io/', { HTTPS_PROXY: value })).not.toThrow(secret);
  });

  test('row 30: a NO_PROXY of 60,000 entries is read in a moment', () => {
    const startedAt = performance.now();
    choose('https://r.io/', { HTTPS_PROXY: PROXY, NO_PROXY: 'a,'.repeat(30_000) });
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});
