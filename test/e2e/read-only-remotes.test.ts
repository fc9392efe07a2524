/** RELIABILITY §1.3 row 19: a build that may only read, whatever driver it reads with. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WarmResult } from '../../src/lib/operations/results.ts';
import { makeLayout, type MadeLayout } from '../servers/make-layout.ts';
import { startRecordingProxy, type RecordingProxy } from '../servers/recording-proxy.ts';
import { REMOTE_SERVERS, type RemoteServer } from '../servers/remote-servers.ts';
import { makeHome, type Home } from './run-cli.ts';

const READS = /^(GET|HEAD|EXISTS|GETRANGE|STRLEN|MGET|SCAN|SELECT|AUTH|PING|TTL|PTTL)$/;

/** What goes over HTTP/2 the relay cannot read: blobcache.test.ts asks the server. */
const READABLE = REMOTE_SERVERS.filter(([name]) => name !== 'blobcache');

describe.each(READABLE.map(([name, start]) => ({ name, start })))('row 19: a remote of $name in mode ro', ({ start }) => {
  let home: Home;
  let app: MadeLayout;
  let server: RemoteServer;
  let proxy: RecordingProxy;

  beforeEach(async () => {
    home = await makeHome();
    app = await makeLayout(home.path('app'), [{ files: { a: Buffer.alloc(100_000, 'a') } }, { files: { b: 'b' } }]);
    server = await start();
    proxy = await startRecordingProxy(server.port);
    const pushed = await home.run(['push-cache', app.reference, '--to', server.urlAt(server.port)], { env: server.env });
    expect(pushed.code, pushed.stderr).toBe(0);
    const config = home.path('config/clipctl/config.json');
    await mkdir(dirname(config), { recursive: true });
    await writeFile(config, JSON.stringify({ remotes: [{ url: server.urlAt(proxy.port), mode: 'ro' }] }));
  });
  afterEach(async () => {
    await proxy.close();
    await server.close();
    await home.remove();
  });

  const warm = async (...flags: string[]): Promise<WarmResult> => {
    const cache = ['--cache-dir', home.path(`cold-${flags.length}`)];
    const result = await home.run(['warm', app.reference, ...cache, ...flags, '--json'], { env: server.env });
    expect(result.code, result.stderr).toBe(0);
    return result.json<WarmResult>();
  };

  it('is sent 0 requests that write: when it serves, when it is wrong, and when it should be mended', async () => {
    expect((await warm()).remotes).toMatchObject([{ hits: 2, stored: 0 }]);
    await server.poison();
    expect((await warm('--repair-remote')).remotes).toMatchObject([{ corrupt: 2, repaired: 0, stored: 0 }]);
    expect(proxy.verbs().length).toBeGreaterThan(4);
    expect(proxy.verbs().filter((verb) => !READS.test(verb))).toEqual([]);
  });

  it('is not filled by a flag either, however it is spelled: exit 2', async () => {
    const spelled = server.urlAt(proxy.port).replace(/\/0$/, '').replace('://127', '://me:pw@127');
    const url = server.name === 's3' || server.name === 'oci' ? server.urlAt(proxy.port) : spelled;
    const asked = proxy.verbs().length;
    for (const command of [['push-cache'], ['warm'], ['index', '-o', home.path('x.clip')]]) {
      const [name = '', ...more] = command;
      const result = await home.run([name, app.reference, ...more, '--to', url], { env: server.env });
      expect([name, result.code], result.stderr).toEqual([name, 2]);
      expect(result.stderr).toContain('mode "ro"');
    }
    expect(proxy.verbs()).toHaveLength(asked);
  });
});
