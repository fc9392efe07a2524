/** S3Proxy as a real S3 server of the tests: it checks signatures, payload hashes and conditions. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { S3PROXY_LOGBACK, s3ProxyClasspath } from '../../scripts/s3proxy.js';
import { freePort } from './free-port.ts';
import { clientOf, makeBucket, type S3Server } from './s3-server.ts';

const BUCKET = 'layers';

/**
 * Why there can be no S3Proxy here; undefined when there can.
 * @throws under CI: a server that is missing there is a failure, not a reason to skip
 */
export function s3ProxyMissing(): string | undefined {
  if (s3ProxyClasspath() !== undefined) return undefined;
  const reason = 'S3Proxy is not here (npm test fetches it with mvn; Debian packages maven, default-jre-headless)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

/** Starts it on a free port over a directory of its own, with one bucket. */
export async function startS3Proxy(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-s3proxy-'));
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const environment = { AWS_ACCESS_KEY_ID: 'clipctl-test-identity', AWS_SECRET_ACCESS_KEY: 'clipctl-test-credential' };
  const config = join(directory, 's3proxy.conf');
  await mkdir(join(directory, 'data'));
  await writeFile(config, configText({ directory: join(directory, 'data'), endpoint, environment }));
  const java = ['-Xmx512m', `-Dlogback.configurationFile=${S3PROXY_LOGBACK}`, '-cp', s3ProxyClasspath() ?? ''];
  const client = clientOf(endpoint, environment);
  const launch = async (): Promise<ChildProcess> => {
    const launched = spawn('java', [...java, 'org.gaul.s3proxy.Main', '--properties', config], { stdio: 'ignore' });
    await makeBucket(client, BUCKET, () => launched.exitCode === null);
    return launched;
  };
  let server = await launch();
  return {
    endpoint,
    bucket: BUCKET,
    environment,
    client,
    pids: server.pid === undefined ? [] : [server.pid],
    restart: async () => {
      await kill(server);
      server = await launch();
    },
    close: async () => {
      client.destroy();
      await kill(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function kill(server: ChildProcess): Promise<void> {
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
}

function configText({
  directory,
  endpoint,
  environment,
}: { directory: string } & Pick<S3Server, 'endpoint' | 'environment'>): string {
  return `${[
    's3proxy.authorization=aws-v2-or-v4',
    `s3proxy.identity=${environment.AWS_ACCESS_KEY_ID}`,
    `s3proxy.credential=${environment.AWS_SECRET_ACCESS_KEY}`,
    `s3proxy.endpoint=${endpoint}`,
    // A part that is signed as a whole is checked as a whole.
    `s3proxy.v4-max-non-chunked-request-size=${64 * 1024 * 1024}`,
    'jclouds.provider=filesystem-nio2',
    'jclouds.identity=unused',
    'jclouds.credential=unused',
    `jclouds.filesystem.basedir=${directory}`,
  ].join('\n')}\n`;
}
