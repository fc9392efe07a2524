/** RELIABILITY §2 row 18, the registry: what a killed `push-cache` leaves there, and what the next one does about it. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { dockerRegistryMissing, startDockerRegistry, type DockerRegistry } from '../servers/docker-registry.ts';
import { startHoldingProxy, type Hold, type HoldingProxy } from '../servers/holding-proxy.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1 << 20;
/** Two chunks. */
const LAYER_BYTES = 40 * MIB;
let home: Home;
let reference: string;
let server: DockerRegistry;
let proxy: HoldingProxy;

beforeAll(async () => {
  home = await makeHome();
  const files = { a: randomBytes(LAYER_BYTES) };
  reference = (await makeLayout(home.path('image'), [{ files, compression: 'none' }])).reference;
  expect((await home.run(['warm', reference])).code).toBe(0);
});
afterAll(() => home.remove());

describe.skipIf(dockerRegistryMissing() !== undefined)('row 18: a push to a registry that meets kill -9', () => {
  beforeEach(async () => {
    server = await startDockerRegistry();
    proxy = await startHoldingProxy(Number(server.host.split(':')[1]));
  });
  afterEach(async () => {
    await proxy.close();
    await server.close();
    await rm(notesDirectory(), { recursive: true, force: true });
  });

  const push = (options = {}): Promise<CliResult> =>
    home.run(['push-cache', reference, '--to', `oci://${proxy.host}/team/cache`, '--json', '-vvv'], options);
  const notesDirectory = (): string => `${home.cacheDir}/.clipctl/v1/uploads`;
  const notes = (): Promise<string[]> => readdir(notesDirectory()).catch(() => []);
  const deletes = (): (number | undefined)[] =>
    proxy.requests.filter(({ method }) => method === 'DELETE').map(({ status }) => status);

  /** Uploads that the registry knows of or keeps bytes of. */
  async function openUploads(): Promise<string[]> {
    const uploads = `${server.storage}/docker/registry/v2/repositories/team/cache/_uploads`;
    const names = await readdir(uploads, { recursive: true }).catch((): string[] => []);
    return names.filter((name) => /\/(?:startedat|data)$/.test(name));
  }

  /** Kills a push when its second chunk is held; what it has printed is the result. */
  async function killed(where: Hold): Promise<CliResult> {
    proxy.hold = ({ method }, before) => {
      const chunks = before.filter((each) => each.method === 'PATCH').length;
      return method === 'PATCH' && chunks === 1 ? where : undefined;
    };
    const controller = new AbortController();
    const pushing = push({ signal: controller.signal, killSignal: 'SIGKILL' });
    const first = await Promise.race([proxy.held, pushing, sleep(60_000, 'late')]);
    expect(first, JSON.stringify(first)).toBeUndefined();
    controller.abort();
    const result = await pushing;
    proxy.hold = () => undefined;
    expect(result.code).toBe(137);
    return result;
  }

  const states = (): string[] =>
    proxy.requests
      .flatMap(({ path }) => new URL(path, 'http://x').searchParams.get('_state') ?? [])
      .filter((state) => state !== '');

  it('between two chunks leaves an upload that the next one cancels: that one, and no other', async () => {
    const opened = await fetch(`http://${server.host}/v2/team/cache/blobs/uploads/`, { method: 'POST' });
    const foreign = opened.headers.get('docker-upload-uuid') ?? '';
    const first = await killed('before');
    expect(await openUploads()).toHaveLength(4);
    const [note = ''] = await notes();
    expect(await notes()).toEqual([note]);
    expect((await stat(`${notesDirectory()}/${note}`)).mode & 0o777).toBe(0o600);
    expect((await stat(notesDirectory())).mode & 0o777).toBe(0o700);
    expect(deletes()).toEqual([]);
    const next = await push();
    expect(next.code, next.stderr).toBe(0);
    expect(deletes()).toEqual([204]);
    expect((await openUploads()).filter((name) => !name.startsWith(foreign))).toEqual([]);
    expect((await openUploads()).length).toBeGreaterThan(0);
    expect(await notes()).toEqual([]);
    expect(states().length).toBeGreaterThan(3);
    for (const state of states()) expect(`${first.stdout}${first.stderr}${next.stdout}${next.stderr}`).not.toContain(state);
  });

  it('inside a chunk leaves what docker-registry 2.8 cancels for nobody: the next one asks once, and is whole', async () => {
    await killed('inside');
    expect(await notes()).toHaveLength(1);
    const next = await push();
    expect(next.code, next.stderr).toBe(0);
    expect(deletes()).toEqual([404]);
    expect(await notes()).toEqual([]);
    expect((await push()).code).toBe(0);
    expect(deletes()).toEqual([404]);
  });

  it('keeps its note while the registry fails to cancel, which fails no push', async () => {
    await killed('before');
    const kept = await notes();
    proxy.hold = ({ method }) => (method === 'DELETE' ? 'before' : undefined);
    const startedAtMs = performance.now();
    const next = await push();
    expect(next.code, next.stderr).toBe(0);
    expect(performance.now() - startedAtMs).toBeLessThan(60_000);
    expect(await notes()).toEqual(kept);
    expect(next.stderr).not.toContain('_state');
    proxy.hold = () => undefined;
    expect((await push()).code).toBe(0);
    expect(await notes()).toEqual([]);
    expect(await openUploads()).toEqual([]);
  });

  it('is cancelled by a push that itself is stopped meanwhile: it ends within seconds, and the note stays', async () => {
    await killed('before');
    const kept = await notes();
    proxy.hold = ({ method }) => (method === 'DELETE' ? 'before' : undefined);
    const controller = new AbortController();
    const stopping = push({ signal: controller.signal, killSignal: 'SIGTERM' });
    for (let tries = 0; tries < 1000 && deletes().length === 0; tries += 1) await sleep(10);
    const stoppedAtMs = performance.now();
    controller.abort();
    expect((await stopping).code).toBe(143);
    expect(performance.now() - stoppedAtMs).toBeLessThan(6000);
    expect(await notes()).toEqual(kept);
  });

  it('while another push goes on, leaves the other alone', async () => {
    proxy.hold = ({ method }, before) =>
      method === 'PATCH' && before.filter((each) => each.method === 'PATCH').length === 1 ? 'before' : undefined;
    const controller = new AbortController();
    const alive = push({ signal: controller.signal, killSignal: 'SIGKILL' });
    await proxy.held;
    const held = await notes();
    expect(held).toHaveLength(1);
    const text = await readFile(`${notesDirectory()}/${held[0]}`, 'utf8');
    proxy.hold = () => undefined;
    expect((await push()).code).toBe(0);
    expect(deletes()).toEqual([]);
    expect(await notes()).toEqual(held);
    expect(await readFile(`${notesDirectory()}/${held[0]}`, 'utf8')).toBe(text);
    controller.abort();
    await alive;
  });
});
