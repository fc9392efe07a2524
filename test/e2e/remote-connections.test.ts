/** How a push reaches a server: whose key it signs with, whose certificate it believes, and through which proxy it goes. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startCasServer } from '../servers/cas-server.ts';
import { startForwardProxy } from '../servers/forward-proxy.ts';
import { makeLayout } from '../servers/make-layout.ts';
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

describe('a remote behind TLS', () => {
  const untrustedThenTrusted = async (to: string, front: TlsFront, env: Readonly<Record<string, string>>): Promise<void> => {
    const refused = await push(to, env);
    expect(refused.code, refused.stderr).toBe(11);
    const trusted = await push(to, env, '--ca-file', front.caFile);
    expect(trusted.code, trusted.stderr).toBe(0);
  };

  it('s3:// is spoken to only when --ca-file has its authority', async () => {
    const server = kept(await startScriptedS3());
    const front = kept(await startTlsFront(portOf(server.endpoint)));
    await untrustedThenTrusted(bucketAt(`https://${front.host}`), front, server.environment);
    expect(server.objects.size).toBe(1);
  });

  it('https:// is spoken to only when --ca-file has its authority', async () => {
    const server = kept(await startCasServer());
    const front = kept(await startTlsFront(portOf(server.url)));
    await untrustedThenTrusted(`https://${front.host}/prefix`, front, {});
    expect(server.contents.size).toBe(1);
  });
});

describe('HTTP_PROXY', () => {
  it('is what an S3 push goes through', async () => {
    const server = kept(await startScriptedS3());
    const proxy = kept(await startForwardProxy(portOf(server.endpoint)));
    const result = await push(bucketAt('http://s3.storage.example'), { ...server.environment, HTTP_PROXY: proxy.url });
    expect(result.code, result.stderr).toBe(0);
    expect(server.objects.size).toBe(1);
    expect(proxy.requests).toHaveLength(server.calls.length);
    expect(proxy.requests.every((line) => line.includes('http://s3.storage.example/layers/'))).toBe(true);
  });
});
