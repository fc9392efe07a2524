/** Debian's redis-server as a real server of the tests: no persistence unless asked for, a free port, a directory of its own. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.ts';
import { makeCertificate } from './self-signed.ts';

export interface RedisServerOptions {
  readonly password?: string;
  /** A user besides the default one, with all rights on clipctl's keys. */
  readonly user?: { readonly name: string; readonly password: string };
  readonly tls?: boolean;
  /** More lines of the configuration, as arguments. */
  readonly extra?: readonly string[];
}

export interface RedisServer {
  readonly port: number;
  /** PEM, when it speaks TLS. */
  readonly caFile: string;
  /** A client of the test's own, without limits. */
  readonly client: Redis;
  keys(): Promise<string[]>;
  /** Ends it and starts it again; unless its memory is saved first, it has forgotten everything. */
  restart(memory?: 'saved'): Promise<void>;
  close(): Promise<void>;
}

/**
 * Why there can be no redis-server here; undefined when there can.
 * @throws under CI: a server that is missing there is a failure, not a reason to skip
 */
export function redisServerMissing(): string | undefined {
  if (spawnSync('redis-server', ['--version']).status === 0) return undefined;
  const reason = 'redis-server is not installed (Debian package redis-server)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-redis-'));
  const port = await freePort();
  const { certFile, keyFile } = options.tls === true ? makeCertificate(directory) : { certFile: '', keyFile: '' };
  const args = argumentsOf(options, { port, directory, certFile, keyFile });
  let server = await launch(args);
  const client = new Redis({
    host: '127.0.0.1',
    port,
    ...(options.password === undefined ? {} : { password: options.password }),
    ...(options.tls === true ? { tls: { ca: await readFile(certFile, 'utf8') } } : {}),
  });
  return {
    port,
    caFile: certFile,
    client,
    keys: async () => (await client.keys('*')).sort(),
    restart: async (memory) => {
      if (memory === 'saved') await client.save();
      await stop(server);
      server = await launch(args);
      await client.ping();
    },
    close: async () => {
      client.disconnect();
      await stop(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

interface Place {
  readonly port: number;
  readonly directory: string;
  readonly certFile: string;
  readonly keyFile: string;
}

function argumentsOf(
  { password, user, tls, extra = [] }: RedisServerOptions,
  { port, directory, certFile, keyFile }: Place,
): string[] {
  const listen = tls === true ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', certFile];
  return [
    ...[...listen, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--loglevel', 'warning'],
    ...(tls === true ? [...files, '--tls-auth-clients', 'no'] : []),
    ...(password === undefined ? [] : ['--requirepass', password]),
    ...(user === undefined ? [] : ['--user', user.name, 'on', `>${user.password}`, '~clipctl:*', '+@all']),
    ...extra,
  ];
}

async function launch(args: readonly string[]): Promise<ChildProcess> {
  const server = spawn('redis-server', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  const ready = new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`redis-server did not come up: ${log}`)), 10_000);
    const look = (text: Buffer): void => {
      log = (log + text.toString('utf8')).slice(-4000);
      if (!/Ready to accept connections|Server initialized/.test(log)) return;
      clearTimeout(timer);
      resolve();
    };
    server.stdout.on('data', look);
    server.stderr.on('data', look);
    server.once('exit', () => {
      clearTimeout(timer);
      reject(new Error(`redis-server ended at once: ${log}`));
    });
  });
  await ready;
  return server;
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
}
