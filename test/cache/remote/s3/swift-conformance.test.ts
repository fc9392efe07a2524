import { afterAll, beforeAll, describe } from 'vitest';
import { contentCacheSuite } from '../../../conformance/content-cache.ts';
import { startSwift, swiftMissing } from '../../../servers/swift.ts';
import type { S3Server } from '../../../servers/s3-server.ts';
import { s3UnderTest } from './given-s3.ts';

describe.skipIf(swiftMissing())('over swift', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startSwift();
  });
  afterAll(() => server.close());

  contentCacheSuite('an S3 remote on a poor server', () => s3UnderTest(server), { secrets: ['swift-test-key'] });
});
