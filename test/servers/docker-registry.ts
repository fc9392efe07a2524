/** Debian's docker-registry as a real server of the tests, and a way to fill it. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import type { TokenServer } from './token-server.ts';

export interface DockerRegistry {
  /** `127.0.0.1:port` */
  readonly host: string;
  /** Where it keeps its blobs. */
  readonly storage: string;
  /** Ends it and starts it again, at the same place and with what it has; from then on with these options, when there are any. */
  restart(options?: DockerRegistryOptions): Promise<void>;
  close(): Promise<void>;
}

export interface DockerRegistryOptions {
  /** Login by htpasswd (bcrypt). */
  readonly login?: { readonly username: string; readonly password: string };
  /** Uploads go on where they were asked for, as behind something that ends TLS. */
  readonly relativeUrls?: boolean;
  /** It deletes manifests; true unless told. */
  readonly deletes?: boolean;
  /** It takes no writes (`storage.maintenance.readonly`). */
  readonly isReadOnly?: boolean;
  /** Login by bearer tokens of this server. */
  readonly tokens?: TokenServer;
}

/**
 * Why there can be no docker-registry here; undefined when there can.
 * @throws under CI: a server that is missing there is a failure, not a reason to skip
 */
export function dockerRegistryMissing(): string | undefined {
  const isThere = spawnSync('docker-registry', ['--version']).status === 0;
  if (isThere) return undefined;
  const reason = 'docker-registry is not installed (Debian package docker-registry)';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

/** Starts it on a free port with a directory of its own. */
export async function startDockerRegistry(options: DockerRegistryOptions = {}): Promise<DockerRegistry> {
  const directory = await mkdtemp(join(tmpdir(), 'clipctl-registry-'));
  const port = await freePort();
  const config = join(directory, 'config.yml');
  const root = join(directory, 'data');
  await mkdir(root);
  await writeFile(config, await configText({ directory, root, port, ...options }));
  const host = `127.0.0.1:${port}`;
  let server = await launch(config, host);
  return {
    host,
    storage: root,
    restart: async (changed) => {
      await stop(server);
      if (changed !== undefined) await writeFile(config, await configText({ directory, root, port, ...changed }));
      server = await launch(config, host);
    },
    close: async () => {
      await stop(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function launch(config: string, host: string): Promise<ChildProcess> {
  const server = spawn('docker-registry', ['serve', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  server.stderr.on('data', (text: Buffer) => (log = (log + text.toString('utf8')).slice(-4000)));
  await waitUntilReady(host, server, () => log);
  return server;
}

interface ConfigInput extends DockerRegistryOptions {
  readonly directory: string;
  readonly root: string;
  readonly port: number;
}

async function configText(input: ConfigInput): Promise<string> {
  const { directory, root, port, login, tokens, relativeUrls = false, deletes = true, isReadOnly = false } = input;
  const storage = {
    filesystem: { rootdirectory: root },
    delete: { enabled: deletes },
    maintenance: { readonly: { enabled: isReadOnly } },
  };
  const lines = [
    'version: 0.1',
    'log: { level: error, accesslog: { disabled: true } }',
    `storage: ${JSON.stringify(storage)}`,
    `http: { addr: "127.0.0.1:${port}", relativeurls: ${relativeUrls} }`,
  ];
  if (login !== undefined) {
    const path = join(directory, 'htpasswd');
    await writeFile(path, `${login.username}:${bcrypt(login.password)}\n`);
    lines.push(`auth: { htpasswd: { realm: clipctl-test, path: ${JSON.stringify(path)} } }`);
  }
  if (tokens !== undefined) {
    const { realm, service, issuer, certificatePath } = tokens;
    lines.push(`auth: { token: ${JSON.stringify({ realm, service, issuer, rootcertbundle: certificatePath })} }`);
  }
  return `${lines.join('\n')}\n`;
}

/** Perl is part of every Debian, and its crypt() knows bcrypt; the salt may be any, this is a test. */
function bcrypt(password: string): string {
  const script = 'print crypt($ENV{SECRET}, q($2b$05$clipctlclipctlclipctle))';
  const { stdout, status } = spawnSync('perl', ['-e', script], { env: { ...process.env, SECRET: password }, encoding: 'utf8' });
  if (status !== 0 || !stdout.startsWith('$2b$')) throw new Error('no bcrypt: perl with libcrypt is needed for htpasswd');
  return stdout;
}

/** Uploads an OCI image layout, every blob and manifest of it, under a tag. */
export async function pushLayout(
  layoutDirectory: string,
  { host, repository, tag, login, tokens }: DockerRegistryOptions & { host: string; repository: string; tag: string },
): Promise<void> {
  const scope = `repository:${repository}:pull,push`;
  const headers = tokens === undefined ? loginHeaders(login) : { authorization: `Bearer ${tokens.issue(scope)}` };
  const target: PushTarget = { layoutDirectory, host, repository, headers };
  const index = JSON.parse(await readFile(join(layoutDirectory, 'index.json'), 'utf8')) as IndexJson;
  const root = index.manifests[0];
  if (root === undefined) throw new Error(`${layoutDirectory} has no image`);
  await pushManifest(target, root, tag);
}

interface DescriptorJson {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

interface IndexJson {
  readonly manifests: readonly DescriptorJson[];
}

interface ManifestJson {
  readonly manifests?: readonly DescriptorJson[];
  readonly config?: DescriptorJson;
  readonly layers?: readonly DescriptorJson[];
}

interface PushTarget {
  readonly layoutDirectory: string;
  readonly host: string;
  readonly repository: string;
  readonly headers: Readonly<Record<string, string>>;
}

async function pushManifest(target: PushTarget, { digest, mediaType }: DescriptorJson, name: string): Promise<void> {
  const bytes = await readFile(blobPath(target, digest));
  const manifest = JSON.parse(bytes.toString('utf8')) as ManifestJson;
  for (const child of manifest.manifests ?? []) await pushManifest(target, child, child.digest);
  for (const blob of [...(manifest.config === undefined ? [] : [manifest.config]), ...(manifest.layers ?? [])]) {
    await pushBlob(target, blob);
  }
  const url = `http://${target.host}/v2/${target.repository}/manifests/${name}`;
  const answer = await fetch(url, { method: 'PUT', headers: { ...target.headers, 'content-type': mediaType }, body: bytes });
  await expectStatus(answer, 201, `manifest ${name}`);
}

async function pushBlob(target: PushTarget, { digest, size }: DescriptorJson): Promise<void> {
  const base = `http://${target.host}/v2/${target.repository}/blobs`;
  const known = await fetch(`${base}/${digest}`, { method: 'HEAD', headers: target.headers });
  if (known.status === 200) return;
  const opened = await fetch(`${base}/uploads/`, { method: 'POST', headers: target.headers });
  await expectStatus(opened, 202, 'upload');
  const location = new URL(opened.headers.get('location') ?? '', base);
  location.searchParams.set('digest', digest);
  await putFile(location, blobPath(target, digest), { ...target.headers, 'content-length': String(size) });
}

/** fetch would send a stream in chunks; the length is known, so it is said. */
function putFile(url: URL, path: string, headers: Readonly<Record<string, string>>): Promise<void> {
  return new Promise((resolve, reject) => {
    const type = { 'content-type': 'application/octet-stream' };
    const request = httpRequest(url, { method: 'PUT', headers: { ...type, ...headers } }, (response) => {
      response.resume();
      if (response.statusCode === 201) resolve();
      else reject(new Error(`upload of ${path}: status ${response.statusCode}`));
    });
    request.on('error', reject);
    createReadStream(path).on('error', reject).pipe(request);
  });
}

function blobPath({ layoutDirectory }: PushTarget, digest: string): string {
  return join(layoutDirectory, 'blobs', 'sha256', digest.slice('sha256:'.length));
}

function loginHeaders(login: DockerRegistryOptions['login']): Record<string, string> {
  if (login === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${login.username}:${login.password}`).toString('base64')}` };
}

async function expectStatus(response: Response, status: number, what: string): Promise<void> {
  const text = await response.text();
  if (response.status !== status) throw new Error(`push of ${what}: status ${response.status}: ${text.slice(0, 300)}`);
}

async function waitUntilReady(host: string, server: ChildProcess, log: () => string): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (server.exitCode !== null) throw new Error(`docker-registry ended at once: ${log()}`);
    const isUp = await fetch(`http://${host}/v2/`).then(
      (answer) => answer.status === 200 || answer.status === 401,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  server.kill('SIGKILL');
  throw new Error(`docker-registry did not come up: ${log()}`);
}

function stop(server: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    if (server.exitCode !== null || server.signalCode !== null) return resolve();
    server.once('exit', () => resolve());
    server.kill('SIGTERM');
  });
}
