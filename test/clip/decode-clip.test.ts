import { describe, expect, it } from 'vitest';
import { decodeClip, openClipBytes } from '../../src/lib/clip/decode-clip.ts';
import { encodeClip } from '../../src/lib/clip/encode-clip.ts';
import { dumpOf, withoutEmpty, type Dump } from './dump-form.ts';
import { goFixtures } from './fixtures.ts';

const fixtures = goFixtures();

it.each(fixtures.filter(({ dump }) => dump !== undefined))('$name/go.clip reads as Go CLIP reads it back', ({ clip, dump }) => {
  const { nodeCount, storageInfo, nodes } = dump as Dump;
  expect(withoutEmpty(dumpOf(decodeClip(clip)))).toEqual(withoutEmpty({ nodeCount, storageInfo, nodes }));
});

describe.each(fixtures)('$name/go.clip of Go CLIP', ({ clip }) => {
  it('has no extension', () => {
    const opened = openClipBytes(clip);
    expect(opened.extensionVersion).toBeUndefined();
    expect(opened.readExtension()).toBeUndefined();
    expect(opened.header.index.offset).toBe(54);
  });

  it('keeps everything when it is written and read again', () => {
    const file = decodeClip(clip);
    expect(file.nodes.length).toBeGreaterThan(0);
    expect(decodeClip(encodeClip(file))).toEqual(file);
  });
});
