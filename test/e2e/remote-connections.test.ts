/** How a push reaches a server: whose key it signs with, whose certificate it believes, and through which proxy it goes. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startForwardProxy } from '../servers/forward-proxy.ts';
import { makeLayout } from '../servers/make-layout.ts';
import { REMOTE_SERVERS } from '../servers/remote-servers.ts';
import { startScriptedS3, type ScriptedS3 } from '../servers/scripted-s3.ts';
import { startTlsFront, type TlsFront } from '../servers/tls-front.ts';
import { makeHome, type CliResult, type Home } from './run-cli.ts';

const SECRET = 'profile-secret-canary';
let home: Home;
let reference: string;
const closing: (() => Promise<unknown>)[] = [];

beforeEach(async () => {
  home = await makeHome();
  reference = (await makeLayout(home.path('image'), [{ files: { a: randomBytes(300_000) } }])).reference;
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  await home.remove();
});

function kept<T extends { close(): Promise<unknown> }>(server: T): T {
  closing.push(() => server.close());
  return server;
}

function push(to: string, env: Readonly<Record<string, string>>, ...flags: readonly string[]): Promise<CliResult> {
  return home.run(['push-cache', reference, '--to', to, '--retries', '0', '--json', ...flags], { env });
}

const portOf = (url: string): number => Number(new URL(url).port);
const bucketAt = (endpoint: string): string => `s3://layers/team?endpoint=${endpoint}`;

describe('an S3 push without keys in the environment', () => {
  let server: ScriptedS3;
  beforeEach(async () => {
    server = kept(await startScriptedS3());
    await mkdir(home.path('home/.aws'));
    const profile = (name: string): string =>
      `[${name}]\naws_access_key_id = key-of-${name}\naws_secret_access_key = ${SECRET}-${name}\n`;
    await writeFile(home.path('home/.aws/credentials'), `${profile('default')}${profile('team')}`);
  });
  const signers = (): Set<string | undefined> =>
    new Set(server.calls.map(({ headers }) => /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1]));

  it.each([
    ['the default profile of ~/.aws/credentials', {}, 'key-of-default'],
    ['the profile that AWS_PROFILE names', { AWS_PROFILE: 'team' }, 'key-of-team'],
    [
      'that profile, also beside keys in the environment',
      { AWS_PROFILE: 'team', AWS_ACCESS_KEY_ID: 'other', AWS_SECRET_ACCESS_KEY: 'other' },
      'key-of-team',
    ],
  ])('signs with %s', async (_which, env, signer) => {
    const result = await push(bucketAt(server.endpoint), { ...env, AWS_EC2_METADATA_DISABLED: 'true' }, '-vv');
    expect(result.code, result.stderr).toBe(0);
    expect(server.objects.size).toBe(1);
    expect(signers()).toEqual(new Set([signer]));
    expect(`${result.stdout}${result.stderr}`).not.toContain(SECRET);
  });

  it('fails with 11 for a profile that is not there, and sends nothing', async () => {
    const result = await push(bucketAt(server.endpoint), { AWS_PROFILE: 'nobody', AWS_EC2_METADATA_DISABLED: 'true' });
    expect(result.code, result.stderr).toBe(11);
    expect(server.calls).toEqual([]);
    expect(`${result.stdout}${result.stderr}`).not.toContain(SECRET);
  });
});

const untrustedThenTrusted = async (to: string, front: TlsFront, env: Readonly<Record<string, string>>): Promise<void> => {
  const refused = await push(to, env);
  expect(refused.code, refused.stderr).toBe(11);
  const trusted = await push(to, env, '--ca-file', front.caFile);
  expect(trusted.code, trusted.stderr).toBe(0);
  const skipped = await push(to, { ...env, SSL_CERT_FILE: front.caFile });
  expect(skipped.code, skipped.stderr).toBe(0);
};

/** BlobCache speaks no TLS. */
const SECURE = REMOTE_SERVERS.filter(([name]) => name !== 'blobcache');

describe('a remote behind TLS', () => {
  // A registry on loopback is spoken to without TLS; the tunnel below has it.
  it.each(SECURE.filter(([name]) => name !== 'oci'))(
    'of %s is spoken to only when its authority is trusted',
    async (_name, start) => {
      const server = kept(await start());
      const front = kept(await startTlsFront(server.port));
      await untrustedThenTrusted(server.secureUrlAt(front.host), front, server.env);
    },
  );
});

describe('a remote behind a proxy', () => {
  it.each(REMOTE_SERVERS)('of %s is reached through it', async (_name, start) => {
    const server = kept(await start());
    const proxy = kept(await startForwardProxy(server.port));
    const insecure = ['--insecure-registry', 'cache.example'];
    const env = { ...server.env, HTTP_PROXY: proxy.url, ALL_PROXY: proxy.url };
    const url = server
      .urlAt(80)
      .replace('127.0.0.1:80', 'cache.example')
      .replace(/^redis:\/\/cache\.example/, 'redis://cache.example:80');
    const result = await push(url, env, ...insecure);
    expect(result.code, result.stderr).toBe(0);
    expect(proxy.requests.length).toBeGreaterThan(0);
    expect(proxy.requests.every((line) => line.includes('cache.example'))).toBe(true);
  });

  it.each(SECURE)('of %s is reached through a tunnel, and only when its authority is trusted', async (_name, start) => {
    const server = kept(await start());
    const front = kept(await startTlsFront(server.port));
    const proxy = kept(await startForwardProxy(portOf(`https://${front.host}`)));
    const url = server.secureUrlAt('cache.example:443');
    const env = { ...server.env, HTTPS_PROXY: proxy.url, ALL_PROXY: proxy.url };
    await untrustedThenTrusted(url, front, env);
    expect(new Set(proxy.requests)).toEqual(new Set(['CONNECT cache.example:443']));
  });
});
