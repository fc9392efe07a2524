import { expect, it } from 'vitest';
import { outputPaths } from '../../src/lib/operations/index-output.ts';
import type { Digest } from '../../src/lib/oci/digest.ts';
import type { Platform } from '../../src/lib/oci/platform.ts';
import type { ResolvedImage } from '../../src/lib/source/image-source.ts';

function image(platform: Platform, at: number, tag?: string): ResolvedImage {
  const manifestDigest = `sha256:${String(at).repeat(64)}` as Digest;
  const origin = { registry: 'r', repository: 'team/app', ...(tag === undefined ? {} : { tag }) };
  return { platform, manifestDigest, origin } as ResolvedImage;
}

const linux = { os: 'linux', architecture: 'amd64' };
const arm = { os: 'linux', architecture: 'arm', variant: 'v7' };
const windows = (osVersion: string): Platform => ({ os: 'windows', architecture: 'amd64', osVersion });

it('names an index after the last component of the repository and the tag, or the start of the digest', () => {
  expect(outputPaths({ image: 'r/team/app:v2' }, [image(linux, 1, 'v2')])).toEqual(['app-v2.clip']);
  expect(outputPaths({ image: 'r/team/app@…' }, [image(linux, 1)])).toEqual(['app-111111111111.clip']);
  expect(outputPaths({ image: 'r/team/app', output: 'my file' }, [image(linux, 1)])).toEqual(['my file']);
});

it('tells several platforms apart before .clip', () => {
  expect(outputPaths({ image: 'x', output: 'x.clip' }, [image(linux, 1), image(arm, 2)])).toEqual([
    'x.linux-amd64.clip',
    'x.linux-arm-v7.clip',
  ]);
  expect(outputPaths({ image: 'x', output: 'x' }, [image(linux, 1), image(arm, 2)])).toEqual([
    'x.linux-amd64.clip',
    'x.linux-arm-v7.clip',
  ]);
});

it('never gives two images one file: builds of Windows differ by os.version, anything else by digest', () => {
  const paths = outputPaths({ image: 'x', output: 'x.clip' }, [
    image(windows('10.0.17763'), 1),
    image(windows('10.0.20348'), 2),
    image(linux, 3),
  ]);
  expect(paths).toEqual(['x.windows-amd64-10.0.17763.clip', 'x.windows-amd64-10.0.20348.clip', 'x.linux-amd64.clip']);
  const same = outputPaths({ image: 'x', output: 'x.clip' }, [image(linux, 1), image(linux, 2)]);
  expect(same).toEqual(['x.linux-amd64-111111111111.clip', 'x.linux-amd64-222222222222.clip']);
});
