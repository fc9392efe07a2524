import fc from 'fast-check';
import { posix } from 'node:path';
import { describe, expect, it } from 'vitest';
import { byteStringFromText, type ByteString } from '../../src/lib/byte-string.ts';
import { baseOf, cleanPath, parentOf } from '../../src/lib/layer-index/clean-path.ts';

const clean = (name: string): [string, boolean] => {
  const { path, escapes } = cleanPath(byteStringFromText(name));
  return [path, escapes];
};

describe('cleanPath', () => {
  it.each([
    ['', '/', false],
    ['.', '/', false],
    ['./', '/', false],
    ['/', '/', false],
    ['//', '/', false],
    ['a', '/a', false],
    ['./a', '/a', false],
    ['/a', '/a', false],
    ['a/', '/a', false],
    ['a//', '/a', false],
    ['a//b', '/a/b', false],
    ['././a/./b/.', '/a/b', false],
    ['a/x/../b', '/a/b', false],
    ['a/..', '/', false],
    ['..', '/', true],
    ['../a', '/a', true],
    ['../../etc/passwd', '/etc/passwd', true],
    ['a/../../b', '/b', true],
    ['./../a', '/a', true],
    ['/../a', '/a', true],
    ['..\\x', '/..\\x', false],
    ['...', '/...', false],
    ['..a/.b', '/..a/.b', false],
  ])('cleans %j to %j', (name, path, escapes) => {
    expect(clean(name)).toEqual([path, escapes]);
  });

  it('agrees with Go: path.Clean("/" + name), which node:path has too', () => {
    const component = fc.constantFrom('', '.', '..', 'a', 'b.', '.c', '...', 'é', '\\');
    fc.assert(
      fc.property(fc.array(component, { maxLength: 12 }), (components) => {
        const name = byteStringFromText(components.join('/'));
        const normal = posix.normalize(`/${name}`);
        expect(cleanPath(name).path).toBe(normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal);
      }),
    );
  });

  it('keeps bytes that are no UTF-8', () => {
    expect(cleanPath('a/\xff\xfe' as ByteString).path).toBe('/a/\xff\xfe');
  });

  it('splits into parent and base', () => {
    expect([parentOf('/a/b' as ByteString), baseOf('/a/b' as ByteString)]).toEqual(['/a', 'b']);
    expect([parentOf('/a' as ByteString), baseOf('/a' as ByteString)]).toEqual(['/', 'a']);
    expect([parentOf('/' as ByteString), baseOf('/' as ByteString)]).toEqual(['/', '']);
  });
});
