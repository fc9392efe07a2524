import { execFileSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { describeImageSource } from '../conformance/image-source.ts';
import { dockerRegistryMissing, pushLayout, startDockerRegistry } from '../servers/docker-registry.ts';
import { startLoopbackRegistry } from '../servers/loopback-registry.ts';
import { ALL_FIXTURES, layoutOf, openForTest } from './open-for-test.ts';

describeImageSource('an image layout', async () => ({
  open: (fixture, digest) => openForTest(`oci:${layoutOf(fixture)}${digest === undefined ? ':v1' : `@${digest}`}`),
  openMissing: (fixture) => openForTest(`oci:${layoutOf(fixture)}:nope`),
  close: async () => undefined,
}));

describe.each(['plain', 'gzip'] as const)('as one tar, %s', (packing) => {
  describeImageSource(`an OCI archive (${packing})`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'clipctl-archives-'));
    const fileOf = (fixture: string): string => join(folder, `${fixture}.tar`);
    for (const fixture of ALL_FIXTURES) {
      execFileSync('tar', [packing === 'gzip' ? '-czf' : '-cf', fileOf(fixture), '-C', layoutOf(fixture), '.']);
    }
    const archives = { spoolDirectory: join(folder, 'spool') };
    return {
      open: (fixture, digest) =>
        openForTest(`oci-archive:${fileOf(fixture)}${digest === undefined ? ':v1' : `@${digest}`}`, { archives }),
      openMissing: (fixture) => openForTest(`oci-archive:${fileOf(fixture)}:nope`, { archives }),
      close: async () => {
        expect(await readdir(join(folder, 'spool')).catch(() => [])).toEqual([]);
        await rm(folder, { recursive: true });
      },
    };
  });
});

describeImageSource('our loopback registry', async () => {
  const repositories = Object.fromEntries(ALL_FIXTURES.map((fixture) => [`lab/${fixture}`, layoutOf(fixture)]));
  const registry = await startLoopbackRegistry({ repositories });
  return overRegistry(registry.host, () => registry.close());
});

describeImageSource('a registry that redirects blobs and wants a token', async () => {
  const repositories = Object.fromEntries(ALL_FIXTURES.map((fixture) => [`lab/${fixture}`, layoutOf(fixture)]));
  const registry = await startLoopbackRegistry({ repositories, redirectBlobs: true, auth: { kind: 'bearer' } });
  return overRegistry(registry.host, () => registry.close());
});

const missing = dockerRegistryMissing();
if (missing === undefined) {
  describeImageSource('docker-registry', async () => {
    const registry = await startDockerRegistry();
    for (const fixture of ALL_FIXTURES) {
      await pushLayout(layoutOf(fixture), { host: registry.host, repository: `lab/${fixture}`, tag: 'v1' });
    }
    return overRegistry(registry.host, () => registry.close());
  });
} else {
  describe.skip(`ImageSource over docker-registry: ${missing}`, () => test('skipped', () => undefined));
}

function overRegistry(host: string, close: () => Promise<void>) {
  return {
    open: (fixture: string, digest?: string) =>
      openForTest(`${host}/lab/${fixture}${digest === undefined ? ':v1' : `@${digest}`}`),
    openMissing: (fixture: string) => openForTest(`docker://${host}/lab/${fixture}:nope`),
    close,
  };
}
