/** `push-cache` into S3 by the built command: what a kill leaves, what a signal leaves, and how much memory it takes. */
import { CreateMultipartUploadCommand, ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeLayout } from '../servers/make-layout.ts';
import { startScriptedS3 } from '../servers/scripted-s3.ts';
import { s3ProxyMissing, startS3Proxy } from '../servers/s3proxy.ts';
import { keysUnder, type S3Server } from '../servers/s3-server.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const MIB = 1 << 20;
/** Writes the most memory the process ever had into the file RSS_FILE. */
const HOOK = `const { isMainThread } = require('node:worker_threads');
if (isMainThread) process.on('exit', () =>
  require('node:fs').writeFileSync(process.env.RSS_FILE, String(process.resourceUsage().maxRSS * 1024)));`;

let home: Home;
let reference: string;

beforeAll(async () => {
  home = await makeHome();
  const files = Object.fromEntries(Array.from({ length: 3 }, (_, at) => [`part-${at}`, randomBytes(100 * MIB)]));
  reference = (await makeLayout(home.path('image'), [{ files, compression: 'none' }])).reference;
  await writeFile(home.path('hook.cjs'), HOOK);
  expect((await home.run(['warm', reference])).code).toBe(0);
});
afterAll(() => home.remove());

function pushTo(server: Pick<S3Server, 'endpoint' | 'bucket' | 'environment'>, prefix: string, options = {}): Promise<CliResult> {
  const to = `s3://${server.bucket}/${prefix}?endpoint=${server.endpoint}`;
  return home.run(['push-cache', reference, '--to', to, '--json'], { env: { ...server.environment }, ...options });
}

describe.skipIf(s3ProxyMissing())('row 18: an interrupted push to S3', () => {
  let server: S3Server;
  beforeAll(async () => {
    server = await startS3Proxy();
  });
  afterAll(() => server.close());

  const uploads = async (prefix: string): Promise<string[]> => {
    const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: server.bucket }));
    return Uploads.filter(({ Key = '' }) => Key.startsWith(prefix)).map(({ UploadId = '' }) => UploadId);
  };
  const notes = (): Promise<string[]> => readdir(`${home.cacheDir}/.clipctl/v1/uploads`).catch(() => []);

  /** Starts a push, and sends it a signal as soon as its upload is open and some of it has moved. */
  const interrupt = async (prefix: string, killSignal: NodeJS.Signals): Promise<CliResult> => {
    const before = (await uploads(prefix)).length;
    const controller = new AbortController();
    const pushing = pushTo(server, prefix, { signal: controller.signal, killSignal });
    for (let tries = 0; tries < 1000 && (await notes()).length === 0; tries += 1) await sleep(20);
    expect(await uploads(prefix)).toHaveLength(before + 1);
    controller.abort();
    return pushing;
  };

  it('by kill -9 leaves an upload that the next push aborts: that one, and no other', async () => {
    const foreign = { Bucket: server.bucket, Key: 'killed/somebody-elses' };
    const { UploadId } = await server.client.send(new CreateMultipartUploadCommand(foreign));
    expect((await interrupt('killed', 'SIGKILL')).code).toBe(137);
    expect(await uploads('killed')).toHaveLength(2);
    expect(await notes()).toHaveLength(1);
    expect(await keysUnder(server, 'killed/')).toEqual([]);
    expect((await pushTo(server, 'killed')).code).toBe(0);
    expect(await uploads('killed')).toEqual([UploadId]);
    expect(await notes()).toEqual([]);
    expect(await keysUnder(server, 'killed/')).toHaveLength(1);
  });

  it('by SIGTERM aborts its upload before it ends with 143', async () => {
    expect((await interrupt('stopped', 'SIGTERM')).code).toBe(143);
    expect(await uploads('stopped')).toEqual([]);
    expect(await notes()).toEqual([]);
    expect(await keysUnder(server, 'stopped/')).toEqual([]);
  });
});

describe('row 17: 300 MiB pushed to S3', () => {
  it('wait in at most 32 MiB, and the process grows by at most 112 MiB, client included', async () => {
    const server = await startScriptedS3({ isSink: true });
    const env = { NODE_OPTIONS: `--require=${home.path('hook.cjs')}`, RSS_FILE: home.path('rss') };
    const peak = async (): Promise<number> => Number(await readFile(home.path('rss'), 'utf8'));
    try {
      expect((await home.run(['inspect', reference, '--json'], { env })).code).toBe(0);
      const idleBytes = await peak();
      const pushed = await pushTo(server, 'memory', { env: { ...server.environment, ...env } });
      expect(pushed.code, pushed.stderr).toBe(0);
      expect(pushed.json().peakBufferedBytes).toBeLessThanOrEqual(32 * MIB);
      expect((await peak()) - idleBytes).toBeLessThanOrEqual(112 * MIB);
      expect(server.openUploads()).toEqual([]);
      expect(`${pushed.stdout}${pushed.stderr}`).not.toContain(server.environment.AWS_SECRET_ACCESS_KEY);
    } finally {
      await server.close();
    }
  });
});
