/** RELIABILITY §2 row 18: what notes of uploads may make the next run do, whoever wrote them. */
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readlink, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRemote } from '../../src/lib/cache/remote/open-remote.ts';
import { contextForTest } from '../cache/remote/context-for-test.ts';
import { seededContent } from '../cache/seeded-content.ts';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../servers/docker-registry.ts';
import { startHoldingProxy, type HoldingProxy } from '../servers/holding-proxy.ts';

const signal = new AbortController().signal;
const LOGIN = { username: 'carol', password: 'canary-of-a-note' };
/** More than any process has. */
const DEAD_PID = 2 ** 31 - 1;
/** A run takes a second; this is a bound against hangs. */
const HANG_MS = 20_000;

let directory: string;
let server: DockerRegistry;
let proxy: HoldingProxy;
let elsewhere: Server;
let asked: string[];
let warnings: string[];
let layers = 0;

beforeEach(async () => {
  if (dockerRegistryMissing() !== undefined) return;
  directory = await mkdtemp(join(tmpdir(), 'clipctl-notes-'));
  await mkdir(join(directory, 'uploads'), { mode: 0o700 });
  server = await startDockerRegistry({ login: LOGIN });
  proxy = await startHoldingProxy(Number(server.host.split(':')[1]));
  asked = [];
  warnings = [];
  elsewhere = createServer((request, response) => (asked.push(request.url ?? ''), void response.writeHead(204).end()));
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  if (dockerRegistryMissing() !== undefined) return;
  await proxy.close();
  await server.close();
  await new Promise((resolve) => elsewhere.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

const notePath = (): string => join(directory, 'uploads', `oci-${randomUUID().replaceAll('-', '')}.json`);
const placeOfProcess = async (): Promise<string> => `${hostname()} ${await readlink('/proc/self/ns/pid').catch(() => '')}`.trim();
const otherHost = (): string => `127.0.0.1:${(elsewhere.address() as AddressInfo).port}`;

async function plant(fields: Readonly<Record<string, unknown>>): Promise<string> {
  const path = notePath();
  const own = { version: 1, registry: proxy.host, repository: 'team/cache', pid: DEAD_PID, place: await placeOfProcess() };
  await writeFile(path, JSON.stringify({ ...own, ...fields }));
  return path;
}

/** Opens an upload that is ours to cancel; what a note says of it. */
async function openUpload(repository = 'team/cache'): Promise<string> {
  const authorization = `Basic ${Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString('base64')}`;
  const url = `http://${server.host}/v2/${repository}/blobs/uploads/`;
  const { pathname, search } = new URL(
    (await fetch(url, { method: 'POST', headers: { authorization } })).headers.get('location') ?? '',
  );
  return `${pathname.slice(`/v2/${repository}/blobs/uploads/`.length)}${search}`;
}

/** Stores a layer that is not there yet, and says which DELETEs that took; those of a login first are one. */
async function deletesOfPush(): Promise<readonly (readonly [path: string, status: number | undefined])[]> {
  const context = contextForTest({
    uploadsDirectory: join(directory, 'uploads'),
    credentials: () => Promise.resolve(LOGIN),
    onWarning: (message) => warnings.push(message),
  });
  const remote = await openRemote(`oci://${proxy.host}/team/cache`, context);
  const { hash, sizeBytes, source } = seededContent((layers += 1), 1000);
  try {
    expect(await remote.storeContent(source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: false });
  } finally {
    await remote.close();
    await context.dispatcher.close();
  }
  const sent = proxy.requests.filter(({ method, status }) => method === 'DELETE' && status !== 401);
  return sent.map(({ path, status }) => [path, status]);
}

const notes = async (): Promise<string[]> =>
  (await readdir(join(directory, 'uploads'))).map((n) => join(directory, 'uploads', n));

describe.skipIf(dockerRegistryMissing() !== undefined)('row 18: a note of an upload', () => {
  it('of a dead process is cancelled with the login of the remote, and goes', async () => {
    const upload = await openUpload();
    await plant({ upload });
    expect(await deletesOfPush()).toEqual([[`/v2/team/cache/blobs/uploads/${upload}`, 204]]);
    expect(await notes()).toEqual([]);
    expect(warnings).toEqual([]);
  });

  it('of an upload that the registry does not know goes', async () => {
    await plant({ upload: `${randomUUID()}?_state=gone` });
    expect((await deletesOfPush()).map(([, status]) => status)).toEqual([404]);
    expect(await notes()).toEqual([]);
  });

  it.each([
    ['a living process', async () => ({ pid: process.ppid, upload: await openUpload() })],
    ['another machine, a minute ago', async () => ({ place: 'elsewhere pid:[1]', upload: await openUpload() })],
    ['another registry', async () => ({ registry: otherHost(), upload: await openUpload() })],
    ['another repository', async () => ({ repository: 'team/other', upload: await openUpload('team/other') })],
    ['no repository', () => ({ repository: undefined, upload: 'x' })],
    ['no text', () => ({ upload: { toString: 'x' } })],
    ['another version', () => ({ version: 2, upload: 'x' })],
    ['a group of processes', () => ({ pid: -1, upload: 'x' })],
  ] as const)('that is of %s is left alone', async (_what, fields) => {
    const path = await plant(await fields());
    expect(await deletesOfPush()).toEqual([]);
    expect(await notes()).toEqual([path]);
    expect(asked).toEqual([]);
  });

  it('of another machine is cancelled when it has not moved for over an hour', async () => {
    const path = await plant({ place: 'elsewhere pid:[1]', upload: await openUpload() });
    const longAgo = new Date(Date.now() - 4_000_000);
    await utimes(path, longAgo, longAgo);
    expect((await deletesOfPush()).map(([, status]) => status)).toEqual([204]);
    expect(await notes()).toEqual([]);
  });

  it.each([
    'http://HOST/v2/team/cache/blobs/uploads/x',
    '//HOST/v2/team/cache/blobs/uploads/x',
    '/\\HOST/x',
    '/v2/team/other/blobs/uploads/x',
    '../../manifests/latest',
    '..',
    '.',
    'x/../../../manifests/latest',
    '..%2f..%2fmanifests%2flatest',
    '%2e%2e/%2e%2e/manifests/latest',
    '..\\..\\manifests\\latest',
    'x\r\nHost: HOST',
    'x#y',
    'x y',
    '',
    `x?${'y'.repeat(9000)}`,
  ])('that names %j sends no DELETE anywhere', async (upload) => {
    await plant({ upload: upload.replace('HOST', otherHost()) });
    expect(await deletesOfPush()).toEqual([]);
    expect(asked).toEqual([]);
  });

  it.each<[string, (path: string) => Promise<unknown>]>([
    ['nothing', (path) => writeFile(path, '')],
    ['garbage', (path) => writeFile(path, '{"version":1,')],
    ['null', (path) => writeFile(path, 'null')],
    ['brackets without end', (path) => writeFile(path, '['.repeat(16_000))],
    ['64 MiB', (path) => writeFile(path, Buffer.alloc(64 << 20, ' '))],
    ['a directory', (path) => mkdir(path)],
    ['a link', (path) => symlink('/etc/passwd', path)],
    ['a link to what never ends', (path) => symlink('/dev/zero', path)],
  ])(
    'that is %s does nothing, and does not keep the others from being cancelled',
    async (_what, make) => {
      await make(notePath());
      await plant({ upload: await openUpload() });
      expect((await deletesOfPush()).map(([, status]) => status)).toEqual([204]);
      expect(await notes()).toHaveLength(1);
      expect(warnings).toEqual([]);
    },
    HANG_MS,
  );

  it('that cannot be written costs one warning, however many layers are sent', async () => {
    await rm(join(directory, 'uploads'), { recursive: true });
    await writeFile(join(directory, 'uploads'), '');
    const context = contextForTest({
      uploadsDirectory: join(directory, 'uploads', 'notes'),
      credentials: () => Promise.resolve(LOGIN),
      onWarning: (message) => warnings.push(message),
    });
    const remote = await openRemote(`oci://${proxy.host}/team/cache`, context);
    for (const seed of [1001, 1002, 1003]) {
      const { hash, sizeBytes, source } = seededContent(seed, 1000);
      expect(await remote.storeContent(source(), hash, { sizeBytes, signal })).toMatchObject({ skipped: false });
    }
    await remote.close();
    await context.dispatcher.close();
    expect(warnings.filter((message) => message.startsWith('an upload that is killed now stays'))).toHaveLength(1);
  });

  it(
    'is one of many that hang: a push waits for seconds, and leaves the rest to the next one',
    async () => {
      for (let at = 0; at < 20; at += 1) await plant({ upload: `x${at}` });
      proxy.hold = ({ method }) => (method === 'DELETE' ? 'before' : undefined);
      const startedAtMs = performance.now();
      expect((await deletesOfPush()).length).toBeLessThanOrEqual(3);
      expect(performance.now() - startedAtMs).toBeLessThan(15_000);
      expect(await notes()).toHaveLength(20);
    },
    HANG_MS,
  );
});
