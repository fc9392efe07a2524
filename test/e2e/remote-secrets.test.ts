/** RELIABILITY §1.3 row 17, the remote caches: servers that send back all they were told, and runs that show and keep none of it. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { makeLayout } from '../servers/make-layout.ts';
import { startRawServer, type RawServer } from '../servers/raw-server.ts';
import { makeHome, type Home } from './run-cli.ts';

const CANARY = 'canary-of-a-remote';
/** A secret of its own for each place where one may stand. */
const secretOf = (place: string): string => `${CANARY}-${place}`;

let home: Home;
let reference: string;
let web: Server;
let redis: RawServer;
let seen: string;
let status: number;

beforeEach(async () => {
  home = await makeHome();
  reference = (await makeLayout(home.path('app'), [{ files: { a: Buffer.alloc(10_000, 'a') } }])).reference;
  seen = '';
  status = 401;
  web = createServer((request, response) => {
    const told = [request.url, ...request.rawHeaders].join('\n');
    seen += told;
    const header = {
      'x-echo': encodeURIComponent(told).slice(0, 4000),
      'www-authenticate': `Basic realm="${encodeURIComponent(told).slice(0, 500)}"`,
    };
    const xml = `<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${told.replaceAll(/[<&]/g, '')}</Message></Error>`;
    request.resume();
    response.writeHead(status, { ...header, 'content-type': 'application/xml' }).end(request.method === 'HEAD' ? '' : xml);
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  redis = await startRawServer((socket, bytes) => {
    const told = bytes.toString('latin1').replaceAll(/[\r\n]+/g, ' ');
    seen += told;
    socket.write(`-ERR what is ${told}\r\n`);
  });
});
afterEach(async () => {
  web.closeAllConnections();
  await new Promise((resolve) => web.close(resolve));
  await redis.close();
  await home.remove();
});

const host = (): string => `127.0.0.1:${(web.address() as AddressInfo).port}`;
const basic = (name: string, secret: string): string => Buffer.from(`${name}:${secret}`).toString('base64');

interface Case {
  readonly what: string;
  readonly url: () => string;
  readonly env: Readonly<Record<string, string>>;
  /** What must reach the server, so that the case is one. */
  readonly told: string;
}

const AWS = {
  AWS_ACCESS_KEY_ID: secretOf('key'),
  AWS_SECRET_ACCESS_KEY: secretOf('secret'),
  AWS_SESSION_TOKEN: secretOf('session'),
  AWS_EC2_METADATA_DISABLED: 'true',
};

const CASES: readonly Case[] = [
  {
    what: 'a login in the URL of a web server',
    url: () => `http://me:${secretOf('http')}@${host()}/c`,
    env: {},
    told: basic('me', secretOf('http')),
  },
  {
    what: 'a token for a web server',
    url: () => `http://${host()}/c`,
    env: { CLIPCTL_HTTP_TOKEN: secretOf('token') },
    told: secretOf('token'),
  },
  { what: 'a session of S3', url: () => `s3://bucket/p?endpoint=http://${host()}`, env: AWS, told: secretOf('session') },
  {
    what: 'a login in the URL of Redis',
    url: () => `redis://me:${secretOf('redis')}@127.0.0.1:${redis.port}/0`,
    env: {},
    told: secretOf('redis'),
  },
  {
    what: 'a password for Redis',
    url: () => `redis://127.0.0.1:${redis.port}/0`,
    env: { CLIPCTL_REDIS_PASSWORD: secretOf('password') },
    told: secretOf('password'),
  },
  { what: 'a login of a registry', url: () => `oci://${host()}/team/cache`, env: {}, told: basic('me', secretOf('registry')) },
];

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** Whoever quotes a secret may quote it in these forms. */
function formsOf(told: string): readonly string[] {
  return [CANARY, encodeURIComponent(CANARY), basic('me', CANARY).slice(0, 16), told];
}

describe('row 17: a remote that sends back what it was told', () => {
  it.each(CASES)(
    'makes no run show or keep it: $what',
    async ({ url, env, told }) => {
      await mkdir(home.path('docker'));
      await writeFile(
        home.path('docker/config.json'),
        JSON.stringify({ auths: { [host()]: { auth: basic('me', secretOf('registry')) } } }),
      );
      const crash = home.path('crash.cjs');
      await writeFile(crash, 'setTimeout(() => { throw new Error("planted: " + process.argv.join(" ")); }, 400);');
      const texts: string[] = [];
      const run = async (args: readonly string[], more: Readonly<Record<string, string>> = {}): Promise<void> => {
        const options = {
          env: { DOCKER_CONFIG: home.path('docker'), ...env, CLIPCTL_RETRIES: '1', CLIPCTL_TIMEOUT: '1s', ...more },
        };
        const { stdout, stderr, code } = await home.run([...args, '-vvv'], options);
        texts.push(`${args[0]} ${code}`, stdout, stderr);
      };
      for (const answer of [401, 403, 500]) {
        status = answer;
        for (const json of [[], ['--json', '--progress', 'json']]) {
          await run(['push-cache', reference, '--to', url(), ...json]);
          await run(['warm', reference, '--from', url(), '--to', url(), ...json]);
        }
      }
      await run(['inspect', reference, '--from', url(), '--json']);
      await run(['index', reference, '-o', home.path('x.clip'), '--to', url()]);
      await run(['warm', reference, '--from', url(), '--cache-dir', home.path('cold')], { NODE_OPTIONS: `--require=${crash}` });
      expect(seen, 'the server was told it').toContain(told);
      const files = (
        await Promise.all(['cache', 'cold', 'tmp', 'config', 'run'].map((name) => filesBelow(home.path(name))))
      ).flat();
      expect(files.length).toBeGreaterThan(3);
      texts.push(...(await Promise.all(files.map(async (path) => `${path}\n${await readFile(path, 'latin1')}`))));
      for (const text of texts) for (const secret of formsOf(told)) expect(text.includes(secret) ? text : '', secret).toBe('');
    },
    60_000,
  );
});
