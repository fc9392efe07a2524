/** `redis://[user[:password]@]host[:port][/db]`, `rediss://` for TLS, as IANA has registered the scheme. */
import { ClipctlError } from '../../../errors.ts';

const DEFAULT_PORT = 6379;
const MAX_DATABASE = 1_000_000;

export interface RedisAddress {
  /** A name or an address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly database: number;
  readonly username?: string;
  readonly password?: string;
  /** As printed: without credentials. */
  readonly url: string;
  /** `host:port`, for messages. */
  readonly name: string;
}

/**
 * What the URL does not say of the login comes from CLIPCTL_REDIS_USERNAME and CLIPCTL_REDIS_PASSWORD.
 * @throws ClipctlError USAGE; shows no credentials
 */
export function parseRedisAddress(url: URL, environment: Readonly<Record<string, string | undefined>>): RedisAddress {
  const tls = url.protocol === 'rediss:';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host === '') throw refused('it names no host');
  if (url.search !== '' || url.hash !== '') throw refused('it takes no parameters');
  const port = url.port === '' ? DEFAULT_PORT : Number(url.port);
  const database = databaseOf(url.pathname);
  const name = `${url.hostname}:${port}`;
  const username = decoded(url.username) || environment['CLIPCTL_REDIS_USERNAME'] || undefined;
  const password = decoded(url.password) || environment['CLIPCTL_REDIS_PASSWORD'] || undefined;
  if (username !== undefined && password === undefined) throw refused('there is a user but no password (CLIPCTL_REDIS_PASSWORD)');
  return {
    host,
    port,
    tls,
    database,
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    url: `${url.protocol}//${name}${database === 0 ? '' : `/${database}`}`,
    name,
  };
}

function databaseOf(pathname: string): number {
  const text = pathname.replace(/^\//, '');
  if (text === '') return 0;
  const database = /^[0-9]{1,7}$/.test(text) ? Number(text) : Number.NaN;
  if (!(database <= MAX_DATABASE)) throw refused('its path is no number of a database');
  return database;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused('its user or password is not percent-encoded as a URL wants it');
  }
}

function refused(problem: string): ClipctlError {
  return new ClipctlError('USAGE', `a redis: URL cannot be used: ${problem}`, {
    hint: 'Write redis://host:port/database; rediss:// for TLS.',
  });
}
