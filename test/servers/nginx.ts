/** Debian's nginx as a WebDAV server: PUT, GET with Range, HEAD and DELETE below `/cache/`, with a login. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from './free-port.ts';

export interface Nginx {
  /** With the login. */
  readonly url: string;
  /** What a store that failed has left. */
  leftovers(): Promise<string[]>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export const NGINX_PASSWORD = 'hunter2-nginx';

/** Why there is none here. @throws under CI */
export function nginxMissing(): string | undefined {
  if (spawnSync('nginx', ['-v']).status === 0) return undefined;
  const reason = 'nginx is not installed (Debian packages nginx-light and libnginx-mod-http-dav-ext)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

export async function startNginx(): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-nginx-'));
  const port = await freePort();
  for (const name of ['root', 'temporary']) await mkdir(join(directory, name));
  await writeFile(join(directory, 'htpasswd'), `user:{PLAIN}${NGINX_PASSWORD}\n`);
  await writeFile(join(directory, 'nginx.conf'), configText(directory, port));
  await chmod(directory, 0o755);
  let server = await start(directory, port);
  return {
    url: `http://user:${NGINX_PASSWORD}@127.0.0.1:${port}/cache`,
    leftovers: () => leftIn(join(directory, 'temporary')),
    restart: async () => {
      // A kill would keep what nginx is about to remove.
      await leftIn(join(directory, 'temporary'));
      await stop(server);
      server = await start(directory, port);
    },
    close: async () => {
      await stop(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function configText(directory: string, port: number): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${directory}/temporary/${name};`)
    .join(' ');
  return `daemon off; master_process off; worker_processes 1; pid ${directory}/pid; error_log stderr error;
events { worker_connections 128; }
http {
  access_log off; ${temporary}
  server {
    listen 127.0.0.1:${port}; root ${directory}/root; client_max_body_size 0;
    auth_basic clipctl-test; auth_basic_user_file ${directory}/htpasswd;
    location /cache/ { dav_methods PUT DELETE; create_full_put_path on; }
  }
}
`;
}

async function start(directory: string, port: number): Promise<ChildProcess> {
  const server = spawn('nginx', ['-c', join(directory, 'nginx.conf'), '-p', directory], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text: Buffer) => (log = (log + text.toString('utf8')).slice(-4000)));
  for (let tries = 0; tries < 200; tries += 1) {
    if (server.exitCode !== null) throw new Error(`nginx ended at once: ${log}`);
    const isUp = await fetch(`http://127.0.0.1:${port}/`).then(
      () => true,
      () => false,
    );
    if (isUp) return server;
    await sleep(25);
  }
  server.kill('SIGKILL');
  throw new Error(`nginx did not come up: ${log}`);
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  server.kill('SIGKILL');
  await once(server, 'exit');
}

/** Once nginx has had the time to notice that a client has gone. */
async function leftIn(directory: string): Promise<string[]> {
  for (let tries = 0; tries < 100; tries += 1) {
    if ((await filesIn(directory)).length === 0) return [];
    await sleep(20);
  }
  return filesIn(directory);
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
