/** Where remote caches can be: each kind of server, started on loopback with nothing in it. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { startBlobcacheServer } from '../../test/servers/blobcache-server.ts';
import { dockerRegistryMissing, startDockerRegistry } from '../../test/servers/docker-registry.ts';
import { nginxMissing, startNginx } from '../../test/servers/nginx.ts';
import { redisServerMissing, startRedisServer } from '../../test/servers/redis-server.ts';
import { s3ProxyMissing, startS3Proxy } from '../../test/servers/s3proxy.ts';

export interface RemoteStore {
  /** `env NAME=VALUE…` before a command that talks to it; empty when it wants no login. */
  readonly login: readonly string[];
  /** The URL of a remote that holds nothing yet. @param folder of the run */
  readonly freshUrl: (folder: string) => string;
  readonly close: () => Promise<void>;
}

export interface RemoteKind {
  readonly name: string;
  /** Why there is none on this machine. */
  readonly missing: string | undefined;
  readonly start: () => Promise<RemoteStore>;
}

const anyName = (): string => randomBytes(8).toString('hex');

export const FILE: RemoteKind = {
  name: 'file',
  missing: undefined,
  start: async () => ({
    login: [],
    freshUrl: (folder) => `file://${join(folder, anyName())}`,
    close: () => Promise.resolve(),
  }),
};

export const S3: RemoteKind = {
  name: 's3 (S3Proxy)',
  missing: s3ProxyMissing(),
  start: async () => {
    const server = await startS3Proxy();
    const { endpoint, bucket, environment } = server;
    const login = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
    return {
      login: ['env', 'AWS_REGION=us-east-1', ...login],
      freshUrl: () => `s3://${bucket}/${anyName()}?endpoint=${endpoint}`,
      close: () => server.close(),
    };
  },
};

export const REDIS: RemoteKind = {
  name: 'redis',
  missing: redisServerMissing(),
  start: async () => {
    // A database is a remote of its own.
    const server = await startRedisServer({ extra: ['--databases', '1000'] });
    let database = 0;
    return { login: [], freshUrl: () => `redis://127.0.0.1:${server.port}/${database++}`, close: () => server.close() };
  },
};

export const HTTP: RemoteKind = {
  name: 'http (nginx)',
  missing: nginxMissing(),
  start: async () => {
    const server = await startNginx();
    return { login: [], freshUrl: () => `${server.url}/${anyName()}`, close: () => server.close() };
  },
};

export const REGISTRY: RemoteKind = {
  name: 'oci (docker-registry)',
  missing: dockerRegistryMissing(),
  start: async () => {
    const server = await startDockerRegistry();
    return { login: [], freshUrl: () => `oci://${server.host}/bench/${anyName()}`, close: () => server.close() };
  },
};

/** No real server can be had: the one of the tests, in this process, shows what the driver costs, not what BlobCache does. */
export const BLOBCACHE: RemoteKind = {
  name: 'blobcache (the server of the tests)',
  missing: undefined,
  start: async () => {
    // It keeps content under its hash alone: one server stays filled, the other one is emptied for every push.
    const filled = await startBlobcacheServer();
    const emptied = await startBlobcacheServer();
    let isFirst = true;
    return {
      login: [],
      freshUrl: () => {
        const { url, contents } = isFirst ? filled : emptied;
        isFirst = false;
        contents.clear();
        return url;
      },
      close: async () => {
        await filled.close();
        await emptied.close();
      },
    };
  },
};
