/** A remote in a prefix of its own on a server that several tests share. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openRemote } from '../../../../src/lib/cache/remote/open-remote.ts';
import type { ContentCache } from '../../../../src/lib/cache/content-cache.ts';
import type { RemoteContext } from '../../../../src/lib/cache/remote-context.ts';
import type { CacheUnderTest } from '../../../conformance/given-cache.ts';
import { keysUnder, openUploads, type S3Server } from '../../../servers/s3-server.ts';
import { contextForTest } from '../context-for-test.ts';

export interface GivenS3 {
  readonly url: string;
  /** Without slashes at its ends. */
  readonly prefix: string;
  readonly uploadsDirectory: string;
  open(over?: Partial<RemoteContext>): Promise<ContentCache>;
  notes(): Promise<string[]>;
  close(): Promise<void>;
}

export async function givenS3(server: Pick<S3Server, 'endpoint' | 'bucket' | 'environment'>): Promise<GivenS3> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-s3-'));
  const prefix = `team/${randomBytes(6).toString('hex')}`;
  const uploadsDirectory = join(directory, 'uploads');
  const url = `s3://${server.bucket}/${prefix}?endpoint=${server.endpoint}`;
  const opened: ContentCache[] = [];
  const contexts: RemoteContext[] = [];
  return {
    url,
    prefix,
    uploadsDirectory,
    open: async (over = {}) => {
      const context = contextForTest({ environment: server.environment, uploadsDirectory, ...over });
      const cache = await openRemote(url, context);
      opened.push(cache);
      contexts.push(context);
      return cache;
    },
    notes: () => readdir(uploadsDirectory).catch(() => []),
    close: async () => {
      for (const cache of opened) await cache.close();
      for (const context of contexts) await context.dispatcher.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** For the conformance suite. */
export async function s3UnderTest(
  server: S3Server,
  as = (cache: ContentCache) => Promise.resolve(cache),
): Promise<CacheUnderTest> {
  const given = await givenS3(server);
  return {
    cache: await as(await given.open()),
    reopen: async () => as(await given.open()),
    restartServer: () => server.restart(),
    leftovers: async () => {
      const keys = (await keysUnder(server, given.prefix)).filter((key) => !/\/[0-9a-f]{64}(\.zst)?$/.test(key));
      const uploads = await openUploads(server, given.prefix);
      return [...keys, ...uploads.map((key) => `upload of ${key}`), ...(await given.notes())];
    },
    heldHandles: () => Promise.resolve([]),
    close: () => given.close(),
  };
}
