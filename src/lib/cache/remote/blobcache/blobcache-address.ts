/** `blobcache://[:token@]host[:port][?locality=NAME]`: plain gRPC, on port 2049 unless told otherwise. */
import { ClipctlError } from '../../../errors.ts';

const DEFAULT_PORT = 2049;
/** In the environment it is not seen by others on the machine, as a command line is. */
const TOKEN_VARIABLE = 'CLIPCTL_BLOBCACHE_TOKEN';
/** What a header can carry (RFC 9110 §5.5): neither line ends nor anything else that would end it early. */
const HEADER_TEXT = /^[\x21-\x7e]{1,4096}$/;
const LOCALITY = /^[A-Za-z0-9._-]{1,128}$/;

export interface BlobcacheAddress {
  /** `host:port`, for messages and connections; IPv6 in brackets. */
  readonly name: string;
  /** Which hosts the server is asked for; empty: it decides. */
  readonly locality: string;
  /** Sent as a bearer token. */
  readonly token?: string;
  /** As printed: without credentials. */
  readonly url: string;
}

/** @throws ClipctlError USAGE; shows no credentials */
export function parseBlobcacheAddress(url: URL, environment: Readonly<Record<string, string | undefined>>): BlobcacheAddress {
  const isHost = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/.test(url.hostname);
  if (!isHost) throw refused('it names no host');
  if (url.port === '0') throw refused('there is no port 0');
  if (url.pathname !== '' && url.pathname !== '/') throw refused('it takes no path');
  if (url.hash !== '') throw refused('it takes no fragment');
  if (url.username !== '') throw refused('there are no users, only a token: blobcache://:token@host');
  const token = decoded(url.password) || environment[TOKEN_VARIABLE] || undefined;
  if (token !== undefined && !HEADER_TEXT.test(token)) throw refused('its token holds what a header cannot carry');
  const locality = localityOf(url.searchParams);
  const name = `${url.hostname.toLowerCase()}:${url.port === '' ? DEFAULT_PORT : url.port}`;
  return {
    name,
    locality,
    ...(token === undefined ? {} : { token }),
    url: `blobcache://${name}${locality === '' ? '' : `?locality=${locality}`}`,
  };
}

function localityOf(parameters: URLSearchParams): string {
  const [first, ...more] = [...parameters];
  if (first === undefined) return '';
  const [name, value] = first;
  if (more.length > 0 || name !== 'locality') throw refused('it takes no parameter but locality');
  if (!LOCALITY.test(value)) throw refused('its locality is no name');
  return value;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused('its token is not percent-encoded as a URL wants it');
  }
}

function refused(problem: string): ClipctlError {
  return new ClipctlError('USAGE', `a blobcache: URL cannot be used: ${problem}`, {
    hint: `Write blobcache://host:port; a token goes into ${TOKEN_VARIABLE}.`,
  });
}
