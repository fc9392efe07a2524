/** A token server for docker-registry (distribution specification, "Token Authentication"): RS256 with the certificate in x5c. */
import { execFileSync } from 'node:child_process';
import { createSign, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface TokenServerOptions {
  readonly username: string;
  readonly password: string;
  /** Repositories that anybody may pull. */
  readonly publicRepositories?: readonly string[];
}

export interface TokenServer {
  readonly realm: string;
  readonly service: string;
  readonly issuer: string;
  /** What docker-registry is to trust (`rootcertbundle`). */
  readonly certificatePath: string;
  /** Each request that asked for a token: the scopes, and who asked. */
  readonly requests: readonly { readonly scopes: readonly string[]; readonly user: string }[];
  /** A token as the server would give it to its user. */
  issue(scope: string): string;
  close(): Promise<void>;
}

interface Access {
  readonly type: string;
  readonly name: string;
  readonly actions: readonly string[];
}

const SERVICE = 'clipctl-test';
const ISSUER = 'clipctl-test-issuer';

export async function startTokenServer(options: TokenServerOptions): Promise<TokenServer> {
  const directory = mkdtempSync(join(tmpdir(), 'clipctl-token-'));
  const [keyPath, certificatePath] = [join(directory, 'key.pem'), join(directory, 'cert.pem')];
  const subject = ['-days', '2', '-subj', '/CN=clipctl-test'];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', keyPath, '-out', certificatePath, ...subject],
    {
      stdio: 'ignore',
    },
  );
  const sign = signer(readFileSync(keyPath, 'utf8'), readFileSync(certificatePath, 'utf8'));
  const requests: { scopes: string[]; user: string }[] = [];
  const server = createServer((request, response) => {
    const scopes = new URL(request.url ?? '/', 'http://token').searchParams.getAll('scope');
    const user = userOf(request, options);
    requests.push({ scopes, user: user ?? 'refused' });
    if (user === undefined) {
      response.writeHead(401).end('{"details":"incorrect username or password"}');
      return;
    }
    const token = sign(
      user,
      scopes.map(parseScope).map((access) => granted(access, user, options)),
    );
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ token, expires_in: 300 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    service: SERVICE,
    issuer: ISSUER,
    certificatePath,
    requests,
    issue: (scope) => sign(options.username, [parseScope(scope)]),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(directory, { recursive: true });
    },
  };
}

/** Anonymous is a user too; a wrong password is none. */
function userOf({ headers }: IncomingMessage, { username, password }: TokenServerOptions): string | undefined {
  const { authorization } = headers;
  if (authorization === undefined) return '';
  return authorization === `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` ? username : undefined;
}

function granted(access: Access, user: string, { username, publicRepositories = [] }: TokenServerOptions): Access {
  if (user === username) return access;
  const actions = publicRepositories.includes(access.name) ? access.actions.filter((action) => action === 'pull') : [];
  return { ...access, actions };
}

/** `repository:name:pull,push` */
function parseScope(scope: string): Access {
  const [type = '', ...rest] = scope.split(':');
  return { type, name: rest.slice(0, -1).join(':'), actions: (rest.at(-1) ?? '').split(',') };
}

function signer(key: string, certificate: string): (user: string, access: readonly Access[]) => string {
  const der = certificate.replace(/-----[^-]+-----|\s/g, '');
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  return (user, access) => {
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: ISSUER, sub: user, aud: SERVICE, exp: now + 300, nbf: now - 10, iat: now, jti: randomUUID(), access };
    const text = `${part({ typ: 'JWT', alg: 'RS256', x5c: [der] })}.${part(claims)}`;
    return `${text}.${createSign('RSA-SHA256').update(text).sign(key, 'base64url')}`;
  };
}
