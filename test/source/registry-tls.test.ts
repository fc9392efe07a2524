import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ImageSource } from '../../src/lib/source/image-source.ts';
import { startLoopbackRegistry, type LoopbackRegistry } from '../servers/loopback-registry.ts';
import { layoutOf, openForTest } from './open-for-test.ts';

const signal = new AbortController().signal;
const opened: ImageSource[] = [];
let directory: string;
let registry: LoopbackRegistry;
let tls: Server;
let tlsHost: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'clipctl-tls-'));
  const [key, cert] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '2',
    '-subj',
    '/CN=clipctl-test',
  ]);
  if (made.status !== 0) throw new Error('openssl is needed to make a self-signed certificate');
  registry = await startLoopbackRegistry({ repositories: { 'lab/image': layoutOf('odd-plain') } });
  tls = createServer({ key: await readFile(key), cert: await readFile(cert) }, (socket) => {
    const upstream = connect(Number(registry.host.split(':')[1]), '127.0.0.1');
    socket.on('error', () => upstream.destroy());
    upstream.on('error', () => socket.destroy());
    socket.pipe(upstream).pipe(socket);
  });
  tls.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
  tlsHost = `127.0.0.1:${(tls.address() as AddressInfo).port}`;
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((source) => source.close()));
});
afterAll(async () => {
  await new Promise((resolve) => tls.close(resolve));
  await registry.close();
  await rm(directory, { recursive: true });
});

function open(host: string, insecureRegistries: readonly string[]): ImageSource {
  const source = openForTest(`${host}/lab/image:v1`, { insecureRegistries });
  opened.push(source);
  return source;
}

describe('--insecure-registry', () => {
  test('takes a certificate that nobody signed', async () => {
    expect((await open(tlsHost, [tlsHost]).resolve({ signal })).layers).toHaveLength(3);
  });

  test('goes on in plain HTTP where there is no TLS', async () => {
    expect((await open(registry.host, [registry.host]).resolve({ signal })).layers).toHaveLength(3);
  });

  test('is for the named host only: without it a TLS port on loopback gets plain HTTP, and is NETWORK', async () => {
    await expect(open(tlsHost, ['other.example']).resolve({ signal })).rejects.toMatchObject({ code: 'NETWORK' });
  });

  test('with something that is no host is USAGE', () => {
    expect(() => open(tlsHost, ['https://x/'])).toThrow(expect.objectContaining({ code: 'USAGE' }));
  });
});
