/**
 * Debian's swift with its S3 interface: the poor S3 server of the tests. It knows no `If-None-Match: *` on a PUT and no
 * aws-chunked body (501), and leaves checksums unchecked.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { delimiter, join } from 'node:path';
import { freePort } from './free-port.ts';
import { clientOf, makeBucket, type S3Server } from './s3-server.ts';
import { proxyConfig, storageConfig, STORAGE_KINDS, type SwiftInput, type SwiftPorts } from './swift-config.ts';

const PROGRAMS = ['swift-proxy-server', 'swift-account-server', 'swift-container-server', 'swift-object-server', 'memcached'];
const BUCKET = 'layers';

/**
 * Why there can be no swift here; undefined when there can.
 * @throws under CI: a server that is missing there is a failure, not a reason to skip
 */
export function swiftMissing(): string | undefined {
  const missing = PROGRAMS.filter((program) => !isOnPath(program));
  if (missing.length === 0) return undefined;
  const reason = `${missing.join(', ')} not installed (Debian packages swift-proxy, -account, -container, -object, memcached)`;
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

/** Starts it on free ports over a directory of its own, with one bucket. */
export async function startSwift(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-swift-'));
  const ports = await freePorts();
  const input = {
    directory,
    ports,
    user: userInfo().username,
    login: { account: 'test', name: 'tester', key: 'swift-test-key' },
  };
  await prepare(input);
  const endpoint = `http://127.0.0.1:${ports.proxy}`;
  const environment = { AWS_ACCESS_KEY_ID: 'test:tester', AWS_SECRET_ACCESS_KEY: input.login.key };
  const startFront = (): ChildProcess => start('swift-proxy-server', [join(directory, 'proxy.conf')]);
  const stores = [
    start('memcached', ['-l', '127.0.0.1', '-p', String(ports.memcached), '-u', input.user]),
    ...STORAGE_KINDS.map((kind) => start(`swift-${kind}-server`, [join(directory, `${kind}.conf`)])),
  ];
  let front = startFront();
  const servers = (): ChildProcess[] => [...stores, front];
  const ready = (): Promise<void> => makeBucket(client, BUCKET, () => servers().every(({ exitCode }) => exitCode === null));
  const client = clientOf(endpoint, environment);
  const close = async (): Promise<void> => {
    client.destroy();
    await Promise.all(servers().map(stop));
    await rm(directory, { recursive: true, force: true });
  };
  try {
    await ready();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    endpoint,
    bucket: BUCKET,
    environment,
    client,
    pids: servers().flatMap(({ pid }) => (pid === undefined ? [] : [pid])),
    restart: async () => {
      await stop(front);
      front = startFront();
      await ready();
    },
    close,
  };
}

async function prepare(input: SwiftInput): Promise<void> {
  const { directory, ports } = input;
  await mkdir(join(directory, 'devices/d1'), { recursive: true });
  for (const kind of STORAGE_KINDS) {
    await writeFile(join(directory, `${kind}.conf`), storageConfig(kind, input));
    const builder = join(directory, `${kind}.builder`);
    ringBuilder(builder, 'create', '4', '1', '0');
    ringBuilder(builder, 'add', `r1z1-127.0.0.1:${ports[kind]}/d1`, '1');
    ringBuilder(builder, 'rebalance');
  }
  await writeFile(join(directory, 'proxy.conf'), proxyConfig(input));
}

function ringBuilder(...args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync('swift-ring-builder', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`swift-ring-builder ${args.join(' ')}: ${stdout}${stderr}`);
}

/** A group of its own: the servers fork workers, which end with it. */
function start(program: string, args: readonly string[]): ChildProcess {
  return spawn(program, args, { stdio: 'ignore', detached: true });
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null || server.pid === undefined) return;
  const ended = once(server, 'exit');
  process.kill(-server.pid, 'SIGKILL');
  await ended;
}

async function freePorts(): Promise<SwiftPorts> {
  return {
    proxy: await freePort(),
    account: await freePort(),
    container: await freePort(),
    object: await freePort(),
    memcached: await freePort(),
  };
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      // Not in this folder.
      return false;
    }
  });
}
