/** RELIABILITY §1.3 rows 18 and 32, the registry part: what a registry may answer when a layer is read from it. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RemoteCache } from '../../src/lib/cache/remote-cache.ts';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { layerManifest } from '../../src/lib/cache/remote/registry/layer-manifest.ts';
import { errorCodeOf } from '../../src/lib/errors.ts';
import { createDispatcher, type Dispatcher } from '../../src/lib/http/dispatcher.ts';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import { drain, seededContent } from '../cache/seeded-content.ts';

const signal = new AbortController().signal;
const content = seededContent(95, 300_000);
const { hash, sizeBytes } = content;
const bytes = content.slice(0, sizeBytes);
type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let server: Server;
let dispatcher: Dispatcher;
let manifest: string;
let blob: Answer;
let remote: RemoteCache;

beforeEach(async () => {
  manifest = layerManifest(hash, sizeBytes);
  blob = (_request, response) => response.writeHead(200, { 'content-length': sizeBytes }).end(bytes);
  server = createServer((request, response) => {
    if (request.url?.includes('/manifests/clipctl-') === true && !request.url.endsWith('.zst')) response.end(manifest);
    else if (request.method === 'HEAD') response.writeHead(200, { 'content-length': sizeBytes }).end();
    else if (request.method === 'GET' && request.url?.includes('/blobs/') === true) blob(request, response);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  dispatcher = createDispatcher({ timeoutMs: 1000, insecureHosts: [] });
  const { port } = server.address() as AddressInfo;
  remote = await openRemote(
    `oci://127.0.0.1:${port}/team/cache`,
    contextForTest({ dispatcher, policy: { retries: 1, sleep: () => Promise.resolve() } }),
  );
});
afterEach(async () => {
  await remote.close();
  await dispatcher.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const codeOf = (reading: Promise<unknown>): Promise<string> =>
  reading.then(
    () => 'read',
    (error: unknown) => errorCodeOf(error),
  );
const readWhole = (): Promise<string> => codeOf(remote.getContent(hash, { signal }).then(drain));

async function readRange(): Promise<string> {
  const read = remote.getContent(hash, { offset: 1000, length: 100, signal }).then(drain);
  return codeOf(read.then(({ first }) => expect(first.equals(content.slice(1000, 100))).toBe(true)));
}

describe('row 18: a registry that was poisoned', () => {
  it.each<[string, Buffer]>([
    ['other bytes', Buffer.alloc(sizeBytes, 1)],
    ['less', bytes.subarray(0, -1)],
    ['more', Buffer.concat([bytes, Buffer.from('x')])],
    ["another key's content", seededContent(96, 1000).slice(0, 1000)],
    ['a page of HTML', Buffer.from('<html>welcome</html>')],
    ['nothing', Buffer.alloc(0)],
  ])('and sends %s makes no content', async (_what, sent) => {
    blob = (_request, response) => response.writeHead(200, { 'content-length': sent.length }).end(sent);
    expect(await readWhole()).toMatch(/^(CACHE_CORRUPT|SIZE_MISMATCH)$/);
    expect(remote.counters).toMatchObject({ corrupt: 1, failures: 0 });
  });

  it.each<[string, string]>([
    ['no JSON', '<html>'],
    ['longer than 64 KiB', `${' '.repeat(70_000)}{}`],
    ['of another layer', layerManifest(seededContent(97, 10).hash, 10)],
    ['of a negative size', layerManifest(hash, -1)],
    ['of a size that no number holds', layerManifest(hash, 2 ** 53)],
    ['nested 100 000 deep', '['.repeat(100_000)],
    ['of no layers', JSON.stringify({ artifactType: 'application/vnd.clipctl.layer.v1', layers: [] })],
  ])('with a manifest %s is a miss', async (_what, text) => {
    manifest = text;
    expect(await remote.contentExists(hash, { signal })).toBeUndefined();
    expect(await remote.getContent(hash, { signal })).toBeUndefined();
  });
});

describe('row 32: an answer of a registry to a range', () => {
  const ranged =
    (headers: Record<string, string | number>, body: Buffer): Answer =>
    (request, response) =>
      response.writeHead(request.headers.range === undefined ? 200 : 206, headers).end(body);
  const right = content.slice(1000, 100);

  it('that is right is given', async () => {
    blob = ranged({ 'content-range': `bytes 1000-1099/${sizeBytes}` }, right);
    expect(await readRange()).toBe('read');
  });

  it('that is the whole is read up to where the range starts', async () => {
    expect(await readRange()).toBe('read');
  });

  it.each<[string, Record<string, string>]>([
    ['another start', { 'content-range': `bytes 999-1098/${sizeBytes}` }],
    ['another size', { 'content-range': 'bytes 1000-1099/99999999' }],
    ['no numbers', { 'content-range': 'bytes x-y/z' }],
    ['no Content-Range', {}],
  ])('with %s is never spliced', async (_what, headers) => {
    blob = ranged(headers, Buffer.alloc(100, 'w'));
    expect(await readRange()).not.toBe('read');
  });
});

describe('row 32: an answer of a registry with a blob', () => {
  it('that is encoded is refused, whatever it decodes to', async () => {
    blob = (_request, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(bytes);
    expect(await readWhole()).not.toBe('read');
  });

  it('asks for no encoding', async () => {
    const asked: unknown[] = [];
    blob = (request, response) => (asked.push(request.headers['accept-encoding']), response.end(bytes));
    expect(await readWhole()).toBe('read');
    expect(asked).toEqual(['identity']);
  });

  it.each([
    ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx'],
    ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a chunk of 2^60 bytes', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1000000000000000\r\nx'],
    ['a chunk size that is none', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nx'],
    ['nothing of HTTP', 'SSH-2.0-OpenSSH\r\n'],
  ])('with %s fails, and nothing crashes or waits', async (_what, text) => {
    blob = (request) => void request.socket.end(text);
    expect(await readWhole()).toMatch(/^(NETWORK|TIMEOUT|CACHE_CORRUPT|REMOTE_FAILED|SIZE_MISMATCH|REGISTRY_ERROR)$/);
  });
});
