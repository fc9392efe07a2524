/** One real server of each driver, for what must hold through the command whatever remote is named. */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startBlobcacheServer } from './blobcache-server.ts';
import { startCasServer } from './cas-server.ts';
import { dockerRegistryMissing, startDockerRegistry } from './docker-registry.ts';
import { redisServerMissing, startRedisServer } from './redis-server.ts';
import { startScriptedS3 } from './scripted-s3.ts';

export interface RemoteServer {
  readonly name: string;
  readonly port: number;
  /** Its URL at another port: that of a relay, or of something that only looks like it. */
  readonly urlAt: (port: number) => string;
  /** The same over TLS, at `host:port`; of a driver without TLS, as it stands. */
  readonly secureUrlAt: (host: string) => string;
  readonly env: Readonly<Record<string, string>>;
  /** Puts as many zeros in the place of every content. */
  poison(): Promise<void>;
  close(): Promise<void>;
}

/** Drivers whose server is here. The file driver has no server. */
export const REMOTE_SERVERS: readonly (readonly [name: string, start: () => Promise<RemoteServer>])[] = [
  ['s3', startS3],
  ['http', startHttp],
  ['blobcache', startBlobcache],
  ...(redisServerMissing() === undefined ? [['redis', startRedis] as const] : []),
  ...(dockerRegistryMissing() === undefined ? [['oci', startRegistry] as const] : []),
];

async function startS3(): Promise<RemoteServer> {
  const server = await startScriptedS3();
  return {
    name: 's3',
    port: Number(new URL(server.endpoint).port),
    urlAt: (port) => `s3://${server.bucket}/shared?endpoint=http://127.0.0.1:${port}`,
    secureUrlAt: (host) => `s3://${server.bucket}/shared?endpoint=https://${host}`,
    env: server.environment,
    poison: () => Promise.resolve(zero(server.objects as Map<string, Buffer>)),
    close: () => server.close(),
  };
}

async function startHttp(): Promise<RemoteServer> {
  const server = await startCasServer();
  return {
    name: 'http',
    port: Number(new URL(server.url).port),
    urlAt: (port) => `http://127.0.0.1:${port}/prefix`,
    secureUrlAt: (host) => `https://${host}/prefix`,
    env: {},
    poison: () => Promise.resolve(zero(server.contents)),
    close: () => server.close(),
  };
}

async function startBlobcache(): Promise<RemoteServer> {
  const server = await startBlobcacheServer();
  return {
    name: 'blobcache',
    port: server.port,
    urlAt: (port) => `blobcache://127.0.0.1:${port}`,
    secureUrlAt: (host) => `blobcache://${host}`,
    env: {},
    poison: async () => {
      for (const hash of server.contents.hashes) server.contents.set(hash, Buffer.alloc(server.contents.sizeOf(hash)));
    },
    close: () => server.close(),
  };
}

function zero(contents: Map<string, Buffer>): void {
  for (const [name, bytes] of contents) contents.set(name, Buffer.alloc(bytes.length));
}

async function startRedis(): Promise<RemoteServer> {
  const server = await startRedisServer();
  return {
    name: 'redis',
    port: server.port,
    urlAt: (port) => `redis://127.0.0.1:${port}/0`,
    secureUrlAt: (host) => `rediss://${host}/0`,
    env: {},
    poison: async () => {
      for (const key of (await server.keys()).filter((each) => /:[0-9]+$/.test(each))) {
        await server.client.set(key, Buffer.alloc(await server.client.strlen(key)));
      }
    },
    close: () => server.close(),
  };
}

async function startRegistry(): Promise<RemoteServer> {
  const server = await startDockerRegistry({ relativeUrls: true });
  return {
    name: 'oci',
    port: Number(server.host.split(':')[1]),
    urlAt: (port) => `oci://127.0.0.1:${port}/team/cache`,
    secureUrlAt: (host) => `oci://${host}/team/cache`,
    env: {},
    poison: async () => {
      const blobs = join(server.storage, 'docker/registry/v2/blobs/sha256');
      const names = await readdir(blobs, { recursive: true, withFileTypes: true });
      for (const entry of names.filter((each) => each.isFile() && each.name === 'data'))
        await zeroLayer(join(entry.parentPath, 'data'));
    },
    close: () => server.close(),
  };
}

/** Manifests and the empty config stay as they are. */
async function zeroLayer(path: string): Promise<void> {
  const bytes = await readFile(path);
  if (bytes[0] === '{'.charCodeAt(0)) return;
  await rm(path);
  await writeFile(path, Buffer.alloc(bytes.length));
}
