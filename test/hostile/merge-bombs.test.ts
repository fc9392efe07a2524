/** Layers made to be slow, large or endless. The time limits catch hangs and quadratic work, nothing finer. */
import { describe, expect, it } from 'vitest';
import { bytesOf } from '../../src/lib/byte-string.ts';
import { at, codesOf, dir, file, layersOf, link, mergeLayers, pathsOf, symlink } from '../layer-index/layers.ts';

const many = <T>(count: number, make: (number: number) => T): T[] => Array.from({ length: count }, (_, number) => make(number));
const LIMIT_MS = 20_000;

describe('many entries', () => {
  it('a million merge', { timeout: 60_000 }, () => {
    const entries = many(1_000_000, (number) => file(`d${number % 1000}/e${number % 37}/f${number}`));
    const tree = mergeLayers(layersOf(entries));
    expect(tree.entries).toHaveLength(1_000_000 + 1000 + 37_000 + 1);
    expect(tree.warnings).toEqual([]);
  });

  it('more than the cap are refused', () => {
    const layers = layersOf(many(100, (number) => file(`f${number}`)));
    expect(() => mergeLayers(layers, { maxEntries: 100 })).toThrow(expect.objectContaining({ code: 'LIMIT_ENTRIES' }));
    expect(mergeLayers(layers, { maxEntries: 101 }).entries).toHaveLength(101);
  });

  it('100,000 times one path is one entry and one warning', { timeout: LIMIT_MS }, () => {
    const tree = mergeLayers(layersOf(many(100_000, (number) => file('same', number))));
    expect(tree.entries).toHaveLength(2);
    expect(at(tree, '/same')?.size).toBe(99_999);
    expect(codesOf(tree)).toEqual(['DUPLICATE_PATH']);
    expect(tree.warnings[0]?.message).toContain('99999 entries');
  });

  it('200,000 whiteouts and opaque markers of one large directory', { timeout: LIMIT_MS }, () => {
    const lower = many(100_000, (number) => file(`d/f${number}`));
    const whiteouts = many(100_000, (number) => file(`d/.wh.f${number}`));
    expect(pathsOf(mergeLayers(layersOf(lower, whiteouts)))).toEqual(['/d']);
    const opaque = many(100_000, () => file('d/.wh..wh..opq'));
    expect(pathsOf(mergeLayers(layersOf(lower, opaque)))).toEqual(['/d']);
  });
});

describe('warnings', () => {
  it('are cut at 1,000, the rest counted', () => {
    const tree = mergeLayers(layersOf(many(5000, (number) => file(`../f${number}`))));
    expect(tree.warnings).toHaveLength(1000);
    expect(tree.omittedWarnings).toBe(4000);
    expect(mergeLayers(layersOf([file('../f')])).omittedWarnings).toBeUndefined();
  });

  it('hold no control characters, and cut long names', () => {
    const [warning] = mergeLayers(layersOf([file(`../\x1b]0;x\x07\r\n${'n'.repeat(5000)}`)])).warnings;
    expect(warning?.message).toMatch(/^[ -~]{1,400}$/);
  });
});

describe('depth', () => {
  const deep = (components: number) => many(components, () => 'd').join('/');

  it('4,096 components merge', { timeout: LIMIT_MS }, () => {
    const tree = mergeLayers(layersOf([file(`${deep(4095)}/f`)], [file(`${deep(4095)}/.wh.f`), file(`${deep(4094)}/g`)]));
    expect(tree.entries).toHaveLength(1 + 4095 + 1);
    expect(bytesOf(tree.entries.at(-1)?.path ?? tree.entries[0]!.path)).toHaveLength(4094 * 2 + 2);
  });

  it('a path above 16 KiB is left out with a warning', () => {
    const tree = mergeLayers(layersOf([file(deep(8200)), file('x'.repeat(65536)), file('ok')]));
    expect(pathsOf(tree)).toEqual(['/ok']);
    expect(codesOf(tree)).toEqual(['NAME_INVALID', 'NAME_INVALID']);
  });

  it('small names that imply a huge index are refused', { timeout: LIMIT_MS }, () => {
    const layers = layersOf(many(64, (number) => file(`${number}/${deep(8000)}`)));
    expect(() => mergeLayers(layers)).toThrow(expect.objectContaining({ code: 'LIMIT_ENTRIES' }));
  });
});

describe('hard links', () => {
  it('a forward chain of 200,000 resolves', { timeout: LIMIT_MS }, () => {
    const count = 200_000;
    const tree = mergeLayers(layersOf([...many(count, (number) => link(`l${number}`, `l${number + 1}`)), file(`l${count}`, 3)]));
    expect(at(tree, '/l0')).toMatchObject({ size: 3, linkCount: count + 1, hardLinkTo: `/l${count}` });
  });

  it('a cycle of 200,000 is dropped', { timeout: LIMIT_MS }, () => {
    const count = 200_000;
    const tree = mergeLayers(layersOf(many(count, (number) => link(`l${number}`, `l${(number + 1) % count}`))));
    expect(tree.entries).toHaveLength(1);
    expect(tree.warnings.length + (tree.omittedWarnings ?? 0)).toBe(count);
  });
});

describe('symlinks', () => {
  it('that each lead a long way are given up some time, not followed for hours', { timeout: LIMIT_MS }, () => {
    const longWay = '../r/'.repeat(800);
    const chain = many(39, (number) => symlink(`r/s${number}`, `${longWay}s${number + 1}`));
    // A symlink that goes away between the files keeps the last parent from being remembered.
    const files = many(20_000, (number) => [symlink('r/t', 'x'), file(`r/s0/f${number}`)]).flat();
    const tree = mergeLayers(layersOf([dir('r'), ...chain, dir('r/s39'), ...files]));
    expect(at(tree, '/r/s39/f0')?.kind).toBe('file');
    expect(at(tree, '/r/s39/f19999')).toBeUndefined();
    expect(tree.warnings.at(-1)?.code).toBe('PARENT_NOT_DIRECTORY');
  });
});

describe('names that no file can have', () => {
  it('with a NUL are left out with a warning', () => {
    const tree = mergeLayers(layersOf([file('a\0b'), symlink('s', 'x\0'), file('ok')]));
    expect(pathsOf(tree)).toEqual(['/ok']);
    expect(codesOf(tree)).toEqual(['NAME_INVALID', 'NAME_INVALID']);
  });

  it('like __proto__ and constructor are names', () => {
    const tree = mergeLayers(layersOf([file('__proto__/constructor', 3), file('toString', 4)]));
    expect(pathsOf(tree)).toEqual(['/__proto__', '/__proto__/constructor', '/toString']);
  });
});
