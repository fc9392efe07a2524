import { describe, expect, test } from 'vitest';
import { choosePlatform, formatPlatform, hostPlatform, normalizePlatform, parsePlatform } from '../../src/lib/oci/platform.ts';

const choose = (wanted: string, ...offered: string[]) => {
  const candidates = offered.map((name) => ({ name, platform: parsePlatform(name) }));
  return choosePlatform(candidates, parsePlatform(wanted))?.name;
};

describe('platforms', () => {
  test.each([
    ['linux/x86_64', 'linux/amd64'],
    ['linux/amd64/v1', 'linux/amd64'],
    ['linux/amd64/v3', 'linux/amd64/v3'],
    ['Linux/AArch64', 'linux/arm64'],
    ['linux/arm64/v8', 'linux/arm64'],
    ['linux/arm64/8', 'linux/arm64'],
    ['linux/arm', 'linux/arm/v7'],
    ['linux/arm/6', 'linux/arm/v6'],
    ['linux/armel', 'linux/arm/v6'],
    ['linux/i386', 'linux/386'],
    ['macos/arm64', 'darwin/arm64'],
  ])('%s is %s', (text, normal) => {
    expect(formatPlatform(parsePlatform(text))).toBe(normal);
  });

  test.each([
    '',
    'linux',
    'linux/',
    '/amd64',
    'linux/amd64/v1/x',
    'linux/a b',
    'linux/amd64/',
    '../x',
    'linux/\u001b',
    'a/'.repeat(5000),
  ])('%j is PLATFORM_INVALID', (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'PLATFORM_INVALID' }));
  });

  test('the same variant goes before a lower one, a higher one and another architecture are never chosen', () => {
    expect(choose('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6', 'linux/arm/v7')).toBe('linux/arm/v7');
    expect(choose('linux/arm/v7', 'linux/arm/v5', 'linux/arm/v6')).toBe('linux/arm/v6');
    expect(choose('linux/arm/v6', 'linux/arm/v7')).toBeUndefined();
    expect(choose('linux/amd64', 'linux/amd64/v2', 'linux/386')).toBeUndefined();
    expect(choose('linux/amd64/v3', 'linux/amd64', 'linux/amd64/v2')).toBe('linux/amd64/v2');
    expect(choose('linux/arm64', 'linux/arm/v7', 'linux/arm64/v8')).toBe('linux/arm64/v8');
    expect(choose('linux/amd64', 'windows/amd64')).toBeUndefined();
  });

  test('among equals the first is chosen; an os version that is asked for must match', () => {
    const windows = (osVersion: string) => ({ platform: { os: 'windows', architecture: 'amd64', osVersion } });
    const candidates = [windows('10.0.17763'), windows('10.0.20348')];
    expect(choosePlatform(candidates, { os: 'windows', architecture: 'amd64' })).toBe(candidates[0]);
    expect(choosePlatform(candidates, { os: 'windows', architecture: 'amd64', osVersion: '10.0.20348' })).toBe(candidates[1]);
  });

  test('the default is linux on this machine', () => {
    expect(hostPlatform('x64')).toEqual({ os: 'linux', architecture: 'amd64' });
    expect(hostPlatform('arm')).toEqual({ os: 'linux', architecture: 'arm', variant: 'v7' });
    expect(hostPlatform('constructor')).toEqual({ os: 'linux', architecture: 'constructor' });
    expect(normalizePlatform({ os: 'linux', architecture: '__proto__' }).architecture).toBe('__proto__');
  });
});
