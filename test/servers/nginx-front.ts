/** nginx in front of a docker-registry, as companies run it: TLS, and blobs redirected to a storage host with a signed address. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

export interface NginxFront {
  /** `127.0.0.1:port`, speaks TLS. */
  readonly host: string;
  /** The authority of both certificates. */
  readonly caFile: string;
  /** One line a request to the storage host: request line, Authorization, Cookie, status. */
  storageLog(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface NginxFrontOptions {
  /** `127.0.0.1:port` of the docker-registry. */
  readonly registry: string;
  /** Its storage directory. */
  readonly storage: string;
}

/** In the query of every redirect; must turn up in no output. */
export const PRESIGNED_CANARY = 'presigned-canary-55d2';

export async function startNginxFront({ registry, storage }: NginxFrontOptions): Promise<NginxFront> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-front-'));
  await chmod(directory, 0o755);
  await mkdir(join(directory, 'temporary'));
  makeCertificate(directory);
  const [front, store] = [await freePort(), await freePort()];
  await writeFile(join(directory, 'nginx.conf'), configText({ directory, front, store, registry, storage }));
  const server = spawn('nginx', ['-c', join(directory, 'nginx.conf'), '-p', directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text: Buffer) => (log = (log + text.toString('utf8')).slice(-4000)));
  for (let tries = 0; !(await isUp(store)); tries++) {
    if (server.exitCode !== null || tries > 200) throw new Error(`nginx did not come up: ${log}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  return {
    host: `127.0.0.1:${front}`,
    caFile: join(directory, 'ca.pem'),
    storageLog: async () => (await readFile(join(directory, 'storage.log'), 'utf8')).split('\n').filter((line) => line !== ''),
    close: async () => {
      server.kill('SIGTERM');
      if (server.exitCode === null) await once(server, 'exit');
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function makeCertificate(directory: string): void {
  const openssl = (...args: string[]): unknown => execFileSync('openssl', args, { cwd: directory, stdio: 'ignore' });
  const days = ['-days', '2'];
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    'ca.key',
    '-out',
    'ca.pem',
    ...days,
    '-subj',
    '/CN=clipctl-ca',
  );
  execFileSync('sh', ['-c', 'echo subjectAltName=IP:127.0.0.1 > ext'], { cwd: directory });
  openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-out', 'csr', '-subj', '/CN=127.0.0.1');
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'ext'];
  openssl('x509', '-req', '-in', 'csr', ...signing, ...days, '-out', 'cert.pem');
}

interface Config extends NginxFrontOptions {
  readonly directory: string;
  readonly front: number;
  readonly store: number;
}

function configText({ directory, front, store, registry, storage }: Config): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/temporary/${name};`)
    .join(' ');
  const tls = `ssl_certificate ${directory}/cert.pem; ssl_certificate_key ${directory}/key.pem;`;
  return `daemon off; master_process off; worker_processes 1; pid ${directory}/pid; error_log stderr error;
events { worker_connections 256; }
http {
  ${temporary}
  log_format storage '$request auth=[$http_authorization] cookie=[$http_cookie] $status';
  server {
    listen 127.0.0.1:${front} ssl; ${tls} access_log off; client_max_body_size 0;
    location ~ ^/v2/.+/blobs/sha256:(..)(.*)$ {
      return 307 https://127.0.0.1:${store}/$1/$1$2/data?X-Amz-Signature=${PRESIGNED_CANARY};
    }
    location / { proxy_pass http://${registry}; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto https; }
  }
  server {
    listen 127.0.0.1:${store} ssl; ${tls} access_log ${directory}/storage.log storage;
    root ${storage}/docker/registry/v2/blobs/sha256;
    location / { if ($http_authorization) { return 400; } }
  }
}
`;
}

function isUp(port: number): Promise<boolean> {
  // Its certificate is none that fetch knows: that it answers with TLS at all is enough.
  return fetch(`https://127.0.0.1:${port}/`).then(
    () => true,
    (error: unknown) => error instanceof Error && error.cause instanceof Error && !('syscall' in error.cause),
  );
}
