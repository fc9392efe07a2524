import { describe, expect, it } from 'vitest';
import { hostFor } from '../../../../src/lib/cache/remote/blobcache/rendezvous.ts';

const hosts = (...ids: string[]): { id: string }[] => ids.map((id) => ({ id }));
const KEYS = Array.from({ length: 2000 }, (_, at) => `key-${at}`);

describe('the host for a key', () => {
  // What BlobCache's own client chooses (its tests say so).
  it.each([
    ['', 'd'],
    ['foo', 'e'],
    ['bar', 'c'],
    ['baz', 'd'],
    ['biz', 'b'],
    ['floo', 'd'],
  ])('is for %j the one that the Go client takes: %s', (key, id) => {
    expect(hostFor(key, hosts('a', 'b', 'c', 'd', 'e'))?.id).toBe(id);
  });

  it('does not depend on the order of the list', () => {
    for (const key of KEYS.slice(0, 100)) {
      expect(hostFor(key, hosts('c', 'a', 'b'))).toEqual(hostFor(key, hosts('a', 'b', 'c')));
    }
  });

  it('moves only what was on the host that goes', () => {
    const before = KEYS.map((key) => hostFor(key, hosts('one', 'two', 'three'))?.id);
    const after = KEYS.map((key) => hostFor(key, hosts('one', 'three'))?.id);
    KEYS.forEach((_key, at) => expect(before[at] === 'two' || before[at] === after[at]).toBe(true));
    for (const id of ['one', 'two', 'three']) expect(before.filter((host) => host === id).length).toBeGreaterThan(300);
  });

  it('is nobody among none', () => {
    expect(hostFor('key', [])).toBeUndefined();
  });
});
