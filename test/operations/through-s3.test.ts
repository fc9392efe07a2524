/** Layers straight through into S3, whose parts are kept until they are acknowledged. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { openCache, type Cache } from '../../src/lib/operations/open-cache.ts';
import { PART_BYTES } from '../../src/lib/pipeline/layer-parts.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startScriptedS3, type S3Fault, type ScriptedS3 } from '../servers/scripted-s3.ts';

let dir: string;
let cache: Cache;
let server: ScriptedS3;
let fault: S3Fault | undefined;
const before = { ...process.env };
const bucket = (): string => `s3://${server.bucket}/through?endpoint=${server.endpoint}`;
const near = (): string => `file://${join(dir, 'near')}`;
const layout = (sizeBytes: number): Promise<MadeLayout> =>
  makeLayout(join(dir, 'app'), [{ files: { a: randomBytes(sizeBytes) } }, { files: { b: randomBytes(sizeBytes) } }]);
const hexOf = ({ layers }: MadeLayout): string[] => layers.map(({ diffId }) => diffId.slice('sha256:'.length)).sort();

beforeEach(async () => {
  fault = undefined;
  server = await startScriptedS3({
    faultOf: ({ method, query }) => (method === 'POST' && query.has('uploads') ? fault : undefined),
  });
  Object.assign(process.env, server.environment);
  dir = await mkdtemp(join(tmpdir(), 'clipctl-through-s3-'));
  cache = openCache({ cacheDir: join(dir, 'cache'), jobs: 4, retries: 0 });
});
afterEach(async () => {
  await cache.close();
  await server.close();
  process.env = before;
  await rm(dir, { recursive: true, force: true });
});

describe('--no-disk into S3', () => {
  it.each([1000, PART_BYTES + 1, 4 * PART_BYTES])(
    'ends for layers of %i bytes whose size nobody knew',
    async (sizeBytes) => {
      const made = await layout(sizeBytes);
      const pushed = await cache.pushCache({ images: [made.reference], to: [bucket()], noDisk: true, verify: 'full' });
      expect(pushed.verification?.tiers).toMatchObject([{ hits: 2, hitRatio: 1, wrong: [] }]);
      expect(pushed.peakBufferedBytes).toBeLessThanOrEqual(32 << 20);
      expect(server.openUploads()).toEqual([]);
    },
    20_000,
  );

  it('that opens no upload does not keep the other remote waiting', async () => {
    fault = { status: 403, code: 'AccessDenied' };
    const made = await layout(4 * PART_BYTES);
    const pushed = cache.pushCache({ images: [made.reference], to: [bucket(), near()], noDisk: true });
    expect(await pushed.then(() => 'nothing', errorCodeOf)).toBe('REMOTE_FAILED');
    expect((await readdir(join(dir, 'near'))).filter((name) => !name.includes('.')).sort()).toEqual(hexOf(made));
  }, 20_000);
});
