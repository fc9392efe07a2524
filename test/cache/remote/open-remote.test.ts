import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { contextForTest } from './context-for-test.ts';
import { openRemote } from '../../../src/lib/cache/remote/open-remote.ts';
import { ClipctlError } from '../../../src/lib/errors.ts';

async function refusalOf(url: string): Promise<ClipctlError> {
  const error: unknown = await openRemote(url, contextForTest()).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ClipctlError)) throw new Error(`${url} was not refused: ${inspect(error)}`);
  return error;
}

describe('a remote cache URL', () => {
  it('of a directory is opened without touching the disk, and prints as it was given', async () => {
    const parent = await mkdtemp(join(tmpdir(), 'clipctl-open-'));
    const remote = await openRemote(`file://${parent}/a%20b`, contextForTest());
    expect(remote.url).toBe(`file://${parent}/a%20b`);
    expect(remote.capabilities).toEqual({ ranges: true, list: true, delete: true, conditionalPut: true, encoding: true });
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });

  it.each([
    'https://cache.example/prefix?token=x',
    'blobcaches://host:2049',
    'ftp://host/dir',
    'javascript:alert(1)',
    '/no/scheme',
    '',
  ])('%j is refused with USAGE, saying what is supported', async (url) => {
    const error = await refusalOf(url);
    expect(error.code).toBe('USAGE');
    expect(error.hint).toContain('file:///');
  });

  it.each(['file://host/dir', 'file:///dir?sync=no', 'file:///dir#part', 'file:///a%2Fb', 'file:///a%00b'])(
    '%j is refused with USAGE: a file URL is a path and nothing else',
    async (url) => {
      expect((await refusalOf(url)).code).toBe('USAGE');
    },
  );

  it.each(['s3://user:hunter2@bucket/x', 'file://user:hunter2@host/dir', 'file:///dir?token=hunter2'])(
    'shows no secret when %j is refused',
    async (url) => {
      const error = await refusalOf(url);
      expect(error.code).toBe('USAGE');
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('hunter2');
    },
  );
});
