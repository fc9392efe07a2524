import { afterAll, beforeAll, describe } from 'vitest';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { s3ProxyMissing, startS3Proxy } from '../../../servers/s3proxy.ts';
import type { S3Server } from '../../../servers/s3-server.ts';
import { packing } from '../encoded/open-packed.ts';
import { readsOnlyItsFrames } from '../encoded/range-bytes.ts';
import { givenS3, s3UnderTest } from './given-s3.ts';

describe.skipIf(s3ProxyMissing())('over S3Proxy', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Proxy();
  });
  afterAll(() => server.close());

  contentCacheSuite('an S3 remote that stores the packed form', () => s3UnderTest(server, packing), {
    secrets: ['clipctl-test-credential'],
    isBrief: true,
  });

  readsOnlyItsFrames({
    serverPort: () => Number(new URL(server.endpoint).port),
    open: async (port) => (await givenS3({ ...server, endpoint: `http://127.0.0.1:${port}` })).open(),
  });

  contentCacheSuite('an S3 remote', () => s3UnderTest(server), { secrets: ['clipctl-test-credential'] });
});
