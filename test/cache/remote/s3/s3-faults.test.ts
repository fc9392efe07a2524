import { inspect } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { CHUNK_BYTES } from '../../../../src/lib/cache/chunk-source.ts';
import { ClipctlError, errorCodeOf } from '../../../../src/lib/errors.ts';
import { parseContentHash } from '../../../../src/lib/oci/digest.ts';
import { listOf, signal } from '../../../conformance/given-cache.ts';
import { startScriptedS3, type S3Call, type S3Fault, type ScriptedS3 } from '../../../servers/scripted-s3.ts';
import { drain, seededContent, sourceOf, type SeededContent } from '../../seeded-content.ts';
import { givenS3, type GivenS3 } from './given-s3.ts';

const MIB = 1 << 20;
const small = seededContent(70, 3 * MIB);
const large = seededContent(71, CHUNK_BYTES + 2 * MIB);
const closing: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function given(faultOf: (call: S3Call) => S3Fault | undefined = () => undefined): Promise<[GivenS3, ScriptedS3]> {
  const server = await startScriptedS3({ faultOf });
  closing.push(() => server.close());
  const made = await givenS3(server);
  closing.push(() => made.close());
  return [made, server];
}

async function store(s3: GivenS3, content: SeededContent): Promise<unknown> {
  return (await s3.open()).storeContent(content.source(), content.hash, { sizeBytes: content.sizeBytes, signal });
}

async function failureOf(action: Promise<unknown>): Promise<ClipctlError> {
  const error: unknown = await action.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ClipctlError)) throw new Error(`no ClipctlError: ${inspect(error)}`);
  expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('scripted-secret-canary');
  expect(error.retryable, 'the driver has tried again itself').toBe(false);
  return error;
}

const isPart = ({ query }: S3Call): boolean => query.has('partNumber');

describe('row 16: storing', () => {
  it('sends a part again from its source when the connection is reset inside it', async () => {
    const [s3, server] = await given((call) => (isPart(call) && call.before === 0 ? { resetAt: MIB } : undefined));
    expect(await store(s3, large)).toEqual({ sentBytes: large.sizeBytes, chunks: 2, skipped: false });
    expect(server.objects.get(`${s3.prefix}/${large.hash}`)?.equals(large.slice(0, large.sizeBytes))).toBe(true);
    expect(server.openUploads()).toEqual([]);
    expect(await s3.notes()).toEqual([]);
  });

  it.each<[string, S3Fault, string]>([
    ['500', { status: 500, code: 'InternalError' }, 'REMOTE_FAILED'],
    ['503 SlowDown', { status: 503, code: 'SlowDown' }, 'REMOTE_FAILED'],
    ['403', { status: 403, code: 'AccessDenied' }, 'FORBIDDEN'],
    ['an expired token', { status: 400, code: 'ExpiredToken' }, 'UNAUTHORIZED'],
    ['resets', { resetAt: 0 }, 'NETWORK'],
  ])('fails with a code, and aborts its upload, when every part meets %s', async (_what, fault, code) => {
    const [s3, server] = await given((call) => (isPart(call) ? fault : undefined));
    expect((await failureOf(store(s3, large))).code).toBe(code);
    expect(server.openUploads()).toEqual([]);
    expect(server.objects.size).toBe(0);
    expect(await s3.notes()).toEqual([]);
  });

  it('goes on after one 503 of each kind of request', async () => {
    const [s3, server] = await given(({ before, method }) => (before === 0 && method !== 'GET' ? { status: 503 } : undefined));
    expect(await store(s3, small)).toMatchObject({ skipped: false });
    expect(server.objects.size).toBe(1);
  });

  it('refuses content that changes between being hashed and being sent', async () => {
    const [s3, server] = await given();
    let reads = 0;
    const slice = (offset: number, length: number): Buffer => {
      const bytes = small.slice(offset, length);
      if (offset === 0) reads += 1;
      if (reads > 1) bytes[5] = (bytes[5] ?? 0) ^ 1;
      return bytes;
    };
    const { hash, sizeBytes } = small;
    const storing = (await s3.open()).storeContent(sourceOf(sizeBytes, slice), hash, { sizeBytes, signal });
    expect((await failureOf(storing)).code).toBe('DIGEST_MISMATCH');
    expect(server.objects.size).toBe(0);
  });

  it('learns once that a server knows no condition, and says so', async () => {
    const [s3, server] = await given(({ headers }) => (headers['if-none-match'] === undefined ? undefined : { status: 501 }));
    const remote = await s3.open();
    expect(remote.capabilities.conditionalPut).toBe(true);
    for (const content of [small, seededContent(72, 10), large]) {
      const { hash, sizeBytes } = content;
      expect(await remote.storeContent(content.source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: false });
    }
    expect(remote.capabilities.conditionalPut).toBe(false);
    expect(server.calls.filter(({ headers }) => headers['if-none-match'] !== undefined)).toHaveLength(1);
  });

  it('takes 412 as there already, when somebody else was first', async () => {
    const [s3, server] = await given();
    const remote = await s3.open();
    const { hash, sizeBytes } = small;
    const racing = sourceOf(sizeBytes, small.slice, () => {
      (server.objects as Map<string, Buffer>).set(`${s3.prefix}/${hash}`, small.slice(0, sizeBytes));
    });
    expect(await remote.storeContent(racing, hash, { sizeBytes, signal })).toEqual({ sentBytes: 0, chunks: 0, skipped: true });
  });

  it('replaces an object of the wrong size', async () => {
    const [s3, server] = await given();
    (server.objects as Map<string, Buffer>).set(`${s3.prefix}/${small.hash}`, Buffer.from('cut'));
    expect(await store(s3, small)).toMatchObject({ skipped: false });
    expect(server.objects.get(`${s3.prefix}/${small.hash}`)?.length).toBe(small.sizeBytes);
  });

  it('is refused with NETWORK where nobody listens', async () => {
    const [s3, server] = await given();
    await server.close();
    expect((await failureOf(store(s3, small))).code).toBe('NETWORK');
  });
});

describe('rows 18 and 32: reading', () => {
  const isGet = ({ method, query }: S3Call): boolean => method === 'GET' && !query.has('list-type');
  const read = async (s3: GivenS3, range = {}): Promise<{ sizeBytes: number }> =>
    drain(await (await s3.open()).getContent(small.hash, { signal, ...range }));

  it.each<[string, Buffer]>([
    ['other bytes', Buffer.alloc(small.sizeBytes)],
    ['less', small.slice(0, small.sizeBytes - 1)],
    ['a page of HTML', Buffer.from('<html><body>It works!</body></html>')],
    ['nothing', Buffer.alloc(0)],
  ])('fails with CACHE_CORRUPT before its end when the server sends %s', async (_what, content) => {
    const [s3] = await given((call) => (isGet(call) ? { content } : undefined));
    await store(s3, small);
    expect((await failureOf(read(s3))).code).toBe('CACHE_CORRUPT');
  });

  it.each([
    ['another start', { 'content-range': `bytes 5-14/${small.sizeBytes}` }],
    ['more than was asked for', { 'content-range': `bytes 0-99/${small.sizeBytes}` }],
    ['nonsense', { 'content-range': 'bytes a-b/c' }],
    ['a coding nobody asked for', { 'content-encoding': 'gzip' }],
  ])('never takes a range whose answer says %s', async (_what, headers) => {
    const [s3] = await given((call) => (isGet(call) ? { headers } : undefined));
    await store(s3, small);
    expect((await failureOf(read(s3, { offset: 0, length: 10 }))).code).toBe('REMOTE_FAILED');
  });

  const entities = Array.from({ length: 9 }, (_, at) => `<!ENTITY e${at + 1} "${`&e${at};`.repeat(10)}">`).join('');
  it.each<[string, string]>([
    ['declares entities', `<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "boom">${entities}]><x>&e9;</x>`],
    ['is larger than 4 MiB', `<?xml version="1.0"?><ListBucketResult>${'<Contents/>'.repeat(500_000)}</ListBucketResult>`],
    ['is nested 100 000 deep', `<?xml version="1.0"?>${'<a>'.repeat(100_000)}`],
    ['is no XML', 'no such thing'],
  ])('refuses a list that %s, in no time', async (_what, body) => {
    const [s3] = await given(({ query }) => (query.has('list-type') ? { body } : undefined));
    const startedAt = performance.now();
    expect((await failureOf(s3.open().then(listOf))).code).toBe('REMOTE_FAILED');
    expect(performance.now() - startedAt).toBeLessThan(5000);
  });

  it('gives up with TIMEOUT on a server that never answers', async () => {
    const [s3] = await given(() => ({ hang: true }));
    const remote = await s3.open({ timeoutMs: 300, policy: { retries: 0 } });
    expect(errorCodeOf(await failureOf(remote.contentExists(small.hash, { signal })))).toBe('TIMEOUT');
  });

  it('lists only what is named like content', async () => {
    const [s3, server] = await given();
    await store(s3, small);
    for (const name of ['notes.txt', `${small.hash}.zst`, `sub/${small.hash}`]) {
      (server.objects as Map<string, Buffer>).set(`${s3.prefix}/${name}`, Buffer.from('x'));
    }
    expect(await listOf(await s3.open())).toEqual([parseContentHash(small.hash, 'test')]);
  });
});
