import { userInfo } from 'node:os';
import { describe, expect, it } from 'vitest';
import { defaultCacheDir, defaultConfigPath, loadConfig } from '../../src/lib/config.ts';
import { homeOf } from '../../src/lib/home-directory.ts';

describe('the home directory', () => {
  it('is HOME where that is absolute', () => {
    expect(homeOf({ HOME: '/h' })).toBe('/h');
  });

  it.each(['', 'h', './h', '..'])('is never a directory of the working directory (HOME=%j)', (HOME) => {
    expect(homeOf({ HOME })).toBe(userInfo().homedir);
    expect(homeOf({})).toBe(userInfo().homedir);
  });
});

describe('a user without a home directory', () => {
  const user = { env: {}, homeDir: undefined };

  it('has no config file', async () => {
    expect(defaultConfigPath(user)).toBeUndefined();
    expect(await loadConfig(user)).toEqual({
      path: undefined,
      expectedPath: undefined,
      values: {},
      unknownKeys: [],
      warnings: [],
    });
  });

  it('must name a cache directory', () => {
    expect(() => defaultCacheDir(user)).toThrow(expect.objectContaining({ code: 'USAGE' }) as Error);
    expect(defaultCacheDir({ ...user, env: { XDG_CACHE_HOME: '/c' } })).toBe('/c/clipctl');
  });
});
